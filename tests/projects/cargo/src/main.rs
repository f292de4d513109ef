//! Prints how far a ripple goes.

fn main() {
    println!("{} at {}:{}", ripple::spread(3), file!(), line!());
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_ripple_spreads() {
        assert_eq!(ripple::spread(3), 6);
    }
}
