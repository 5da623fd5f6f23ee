//! Over which channel a notice goes, and why so.

use crate::input::{Channel, ContactPoint, ContactState, Input};
use crate::plan::{ChannelChoice, ChannelReason, SkipReason, SkippedChannel};
use crate::procedure::Step;

/// The debtor's own choice if the step allows it, else the step's first that works; the channels passed over if none.
pub(crate) fn choose(
    input: &Input,
    step: &Step,
    in_writing: bool,
) -> Result<ChannelChoice, Vec<SkippedChannel>> {
    let preferred = input
        .debtor
        .preferred_channel
        .filter(|channel| step.channels.contains(channel));
    let others = step
        .channels
        .iter()
        .copied()
        .filter(|channel| Some(*channel) != preferred);
    let mut skipped = Vec::new();
    for channel in preferred.into_iter().chain(others) {
        match contact_point(input, channel, in_writing) {
            Ok(point) => {
                let reason = if Some(channel) == preferred {
                    ChannelReason::DebtorPreference
                } else if skipped.is_empty() {
                    ChannelReason::FirstOfStep
                } else {
                    ChannelReason::Fallback
                };
                return Ok(ChannelChoice {
                    channel,
                    contact_point: point.id.clone(),
                    reason,
                    skipped,
                });
            }
            Err(reason) => skipped.push(SkippedChannel { channel, reason }),
        }
    }
    Err(skipped)
}

/// The best contact point of a channel: by state, then key.
pub(crate) fn contact_point(
    input: &Input,
    channel: Channel,
    in_writing: bool,
) -> Result<&ContactPoint, SkipReason> {
    if in_writing && channel == Channel::Phone {
        return Err(SkipReason::NotInWriting);
    }
    let best = input
        .contact_points
        .iter()
        .filter(|point| point.channel == channel.reached_by())
        .min_by_key(|point| (point.state, &point.id))
        .ok_or(SkipReason::NoContactPoint)?;
    match best.state {
        ContactState::Verified | ContactState::Unverified => Ok(best),
        ContactState::Bounced => Err(SkipReason::Bounced),
        ContactState::MovedUnknown => Err(SkipReason::MovedUnknown),
    }
}
