//! The channel of a notice that came back.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, like tests"
)]

mod support;

use dunning_core::input::Channel;
use dunning_core::withdraw::rechannel;
use support::world::World;

#[test]
fn a_notice_that_came_back_takes_the_next_channel_of_its_step() {
    let mut world = World::new();
    world.line("item R-1 100.00 EUR");
    let plan = world.evaluate();
    let notice = plan.notices.first().unwrap();
    assert_eq!(notice.channel.channel, Channel::Email);
    world.input.contact_points.retain(|point| point.id != "e1");
    let next = world.with_rules(|rules| rechannel(notice, &world.input, rules).unwrap());
    assert_eq!(next.map(|it| it.channel), Some(Channel::Post));
    world.input.contact_points.clear();
    let none = world.with_rules(|rules| rechannel(notice, &world.input, rules).unwrap());
    assert_eq!(none, None);
}
