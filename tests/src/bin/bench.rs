//! Measures the performance budgets against floors of the same run; see `tests/bench`.

fn main() {
    e2e::bench::main(std::env::args().skip(1).collect());
}
