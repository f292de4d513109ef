//! The order of Debian's version numbers (policy 5.6.12), on text of any content: an index may hold anything.

use std::cmp::Ordering;

/// Compares two versions.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a_epoch, a) = epoch(a);
    let (b_epoch, b) = epoch(b);
    let (a_upstream, a_revision) = a.rsplit_once('-').unwrap_or((a, ""));
    let (b_upstream, b_revision) = b.rsplit_once('-').unwrap_or((b, ""));
    number(a_epoch.as_bytes(), b_epoch.as_bytes())
        .then_with(|| part(a_upstream.as_bytes(), b_upstream.as_bytes()))
        .then_with(|| part(a_revision.as_bytes(), b_revision.as_bytes()))
}

fn epoch(version: &str) -> (&str, &str) {
    version.split_once(':').unwrap_or(("", version))
}

/// Text and number in turn: `~` before the end, the end before letters, letters before the rest.
fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (a_text, a_rest) = a.split_at(count(a, |c| !c.is_ascii_digit()));
        let (b_text, b_rest) = b.split_at(count(b, |c| !c.is_ascii_digit()));
        for at in 0..a_text.len().max(b_text.len()) {
            let order = weight(a_text.get(at)).cmp(&weight(b_text.get(at)));
            if order.is_ne() {
                return order;
            }
        }
        let (a_number, a_after) = a_rest.split_at(count(a_rest, u8::is_ascii_digit));
        let (b_number, b_after) = b_rest.split_at(count(b_rest, u8::is_ascii_digit));
        let order = number(a_number, b_number);
        if order.is_ne() {
            return order;
        }
        (a, b) = (a_after, b_after);
    }
    Ordering::Equal
}

fn count(bytes: &[u8], is: impl Fn(&u8) -> bool) -> usize {
    bytes.iter().take_while(|c| is(c)).count()
}

fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) => i32::from(*c) + 256,
    }
}

/// Digits of any length, leading zeros left out.
fn number(a: &[u8], b: &[u8]) -> Ordering {
    let a = &a[count(a, |c| *c == b'0')..];
    let b = &b[count(b, |c| *c == b'0')..];
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_orders() {
        let rising = [
            "",
            "~",
            "0~rc1-1",
            "0",
            "1.0-1~bpo1",
            "1.0-1",
            "1.0-1a",
            "1.0-1+b1",
            "1.0.1",
            "1.10",
            "1:0.1",
            "2:0",
        ];
        assert_eq!(compare("~", ""), Ordering::Less);
        for pair in rising[2..].windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("1.0", "0:1.00-0"), Ordering::Equal);
        // Where the crate debversion 0.5 says otherwise; dpkg says so.
        assert_eq!(compare("7~", "7~0~"), Ordering::Greater);
        assert_eq!(compare("5.2.15-2+b7", "5.2.15-2+b10"), Ordering::Less);
    }

    proptest! {
        #[test]
        fn any_text_can_be_compared(a in ".*", b in ".*") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn same_order_as_dpkg(a in VERSION, b in VERSION) {
            let is = |word: &str| {
                let dpkg = std::process::Command::new("dpkg").args(["--compare-versions", &a, word, &b]).status();
                dpkg.unwrap().success()
            };
            let theirs = if is("lt") { Ordering::Less } else if is("eq") { Ordering::Equal } else { Ordering::Greater };
            prop_assert_eq!(compare(&a, &b), theirs);
        }
    }

    /// Few different characters, so that much is equal at first.
    const VERSION: &str = "([0-2]:)?[0-9][0-1a-b.+~]{0,6}(-[0-1a-b+~.]{1,4})?";
}
