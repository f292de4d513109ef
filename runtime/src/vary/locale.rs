//! Another language for a varied build: the sources of a locale, for the environment's own `localedef`.
//!
//! Environments have no locale but C's, and a program that is asked for one that isn't there says nothing and takes C's:
//! a build varied so would seem to reproduce. So rbld brings one along. Its name is a real one, so that translations
//! that are installed are found; letters sort and months are called otherwise than in C.

use std::fmt::Write;

/// What it is called, and what translations are looked for.
pub const NAME: &str = "fr_CH.UTF-8";
/// The languages of messages, in order.
pub const LANGUAGES: &str = "fr_CH:fr";

/// The file of a locale's definitions and that of its letters.
pub struct Sources {
    /// For `localedef -i`.
    pub definitions: String,
    /// For `localedef -f`.
    pub letters: String,
}

/// The sources of the locale.
pub fn sources() -> Sources {
    let mut definitions = String::from("comment_char %\nescape_char /\n\n");
    definitions.push_str(IDENTIFICATION);
    classes(&mut definitions);
    collation(&mut definitions);
    definitions.push_str(&CUSTOMS.replace('é', "<U00E9>").replace('û', "<U00FB>"));
    Sources { definitions, letters: letters() }
}

const IDENTIFICATION: &str = r#"LC_IDENTIFICATION
title "Another language, for varied builds"
source ""
address ""
contact ""
email ""
tel ""
fax ""
language "French"
territory "Switzerland"
revision "1"
date "2011-11-11"
category "i18n:2012";LC_IDENTIFICATION
END LC_IDENTIFICATION

"#;

const CUSTOMS: &str = r#"LC_MONETARY
int_curr_symbol "CHF "
currency_symbol "CHF"
mon_decimal_point ","
mon_thousands_sep "."
mon_grouping 3;3
positive_sign ""
negative_sign "-"
int_frac_digits 2
frac_digits 2
p_cs_precedes 1
p_sep_by_space 1
n_cs_precedes 1
n_sep_by_space 1
p_sign_posn 4
n_sign_posn 4
END LC_MONETARY

LC_NUMERIC
decimal_point ","
thousands_sep "."
grouping 3;3
END LC_NUMERIC

LC_TIME
abday "dim";"lun";"mar";"mer";"jeu";"ven";"sam"
day "dimanche";"lundi";"mardi";"mercredi";"jeudi";"vendredi";"samedi"
abmon "jan";"fév";"mar";"avr";"mai";"jun";"jui";"aoû";"sep";"oct";"nov";"déc"
mon "janvier";"février";"mars";"avril";"mai";"juin";"juillet";"août";"septembre";"octobre";"novembre";"décembre"
d_t_fmt "%a %d %b %Y %T %Z"
d_fmt "%d.%m.%Y"
t_fmt "%T"
am_pm "";""
t_fmt_ampm ""
date_fmt "%a %d %b %Y %T %Z"
week 7;19971130;4
first_weekday 2
END LC_TIME

LC_MESSAGES
yesexpr "^[+1oOyY]"
noexpr "^[-0nN]"
END LC_MESSAGES

LC_PAPER
height 297
width 210
END LC_PAPER

LC_NAME
name_fmt "%d%t%g%t%m%t%f"
END LC_NAME

LC_ADDRESS
postal_fmt "%a%N%f%N%d%N%b%N%s %h %e %r%N%z %T%N%c%N"
END LC_ADDRESS

LC_TELEPHONE
tel_int_fmt "+%c %a %l"
END LC_TELEPHONE

LC_MEASUREMENT
measurement 1
END LC_MEASUREMENT
"#;

fn letter(code: u32) -> String {
    if code < 0x1_0000 { format!("<U{code:04X}>") } else { format!("<U{code:08X}>") }
}

/// Small letters and their capitals: of Latin, Greek and Cyrillic.
fn pairs() -> Vec<(u32, u32)> {
    let mut pairs: Vec<(u32, u32)> = (0x61..=0x7a).map(|small| (small, small - 0x20)).collect();
    pairs.extend((0xe0..=0xfe).filter(|small| *small != 0xf7).map(|small| (small, small - 0x20)));
    pairs.extend((0x100..0x130).step_by(2).map(|capital| (capital + 1, capital)));
    pairs.extend((0x3b1..=0x3c9).filter(|small| *small != 0x3c2).map(|small| (small, small - 0x20)));
    pairs.extend((0x430..=0x44f).map(|small| (small, small - 0x20)));
    pairs.extend((0x450..=0x45f).map(|small| (small, small - 0x50)));
    pairs
}

/// Which letters are what, roughly as everywhere.
fn classes(to: &mut String) {
    let ranges = |ranges: &[(u32, u32)]| -> String {
        let one = |&(first, last): &(u32, u32)| format!("{}..{}", letter(first), letter(last));
        ranges.iter().map(one).collect::<Vec<_>>().join(";")
    };
    let pairs = pairs();
    let mut by_capital = pairs.clone();
    by_capital.sort_by_key(|(_, capital)| *capital);
    let list = |codes: Vec<u32>| codes.into_iter().map(letter).collect::<Vec<_>>().join(";");
    let both = |one: u32, other: u32| format!("({},{})", letter(one), letter(other));
    to.push_str("LC_CTYPE\n");
    let lines = [
        ("upper", list(by_capital.iter().map(|(_, capital)| *capital).collect())),
        ("lower", list(pairs.iter().map(|(small, _)| *small).collect())),
        (
            "alpha",
            ranges(&[
                (0x41, 0x5a),
                (0x61, 0x7a),
                (0xaa, 0xaa),
                (0xb5, 0xb5),
                (0xba, 0xba),
                (0xc0, 0xd6),
                (0xd8, 0xf6),
                (0xf8, 0x2af),
                (0x370, 0x1fff),
                (0x3041, 0xd7a3),
            ]),
        ),
        ("digit", ranges(&[(0x30, 0x39)])),
        ("xdigit", ranges(&[(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)])),
        ("space", ranges(&[(9, 13), (32, 32)])),
        ("blank", ranges(&[(9, 9), (32, 32)])),
        ("cntrl", ranges(&[(0, 31), (0x7f, 0x9f)])),
        (
            "punct",
            ranges(&[
                (0x21, 0x2f),
                (0x3a, 0x40),
                (0x5b, 0x60),
                (0x7b, 0x7e),
                (0xa1, 0xa9),
                (0xab, 0xb4),
                (0xb6, 0xb9),
                (0xbb, 0xbf),
                (0xd7, 0xd7),
                (0xf7, 0xf7),
                (0x2b0, 0x36f),
                (0x2010, 0x2027),
                (0x2030, 0x2fff),
                (0x1_f300, 0x1_f6ff),
            ]),
        ),
        (
            "graph",
            ranges(&[
                (0x21, 0x7e),
                (0xa1, 0x1fff),
                (0x2010, 0x2027),
                (0x2030, 0xd7ff),
                (0xe000, 0xfffd),
                (0x1_0000, 0x1_ffff),
            ]),
        ),
        (
            "print",
            ranges(&[(0x20, 0x7e), (0xa0, 0x2027), (0x202f, 0xd7ff), (0xe000, 0xfffd), (0x1_0000, 0x1_ffff)]),
        ),
        ("toupper", pairs.iter().map(|&(small, capital)| both(small, capital)).collect::<Vec<_>>().join(";")),
        (
            "tolower",
            by_capital.iter().map(|&(small, capital)| both(capital, small)).collect::<Vec<_>>().join(";"),
        ),
    ];
    for (class, members) in lines {
        let _ = writeln!(to, "{class} {members}");
    }
    to.push_str("END LC_CTYPE\n\n");
}

/// Small letters beside their capitals: in C all capitals come first.
fn collation(to: &mut String) {
    to.push_str("LC_COLLATE\norder_start forward\n");
    for code in (0x20..0x41).chain(0x5b..0x61).chain(0x7b..0x7f) {
        let _ = writeln!(to, "{}", letter(code));
    }
    for small in 0x61..=0x7a {
        let _ = writeln!(to, "{}\n{}", letter(small), letter(small - 0x20));
    }
    to.push_str("UNDEFINED\norder_end\nEND LC_COLLATE\n\n");
}

/// UTF-8, up to where most writing is.
fn letters() -> String {
    let mut text = String::from(
        "<code_set_name> UTF-8\n<comment_char> %\n<escape_char> /\n<mb_cur_min> 1\n<mb_cur_max> 6\nCHARMAP\n",
    );
    // A range may only count in the last byte.
    for first in (0..0x2_0000).step_by(0x40) {
        let Some(begin) = char::from_u32(first) else { continue };
        let bytes: String =
            begin.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("/x{byte:02x}")).collect();
        let _ = writeln!(text, "{}..{} {bytes} LETTERS", letter(first), letter(first + 0x3f));
    }
    text.push_str("END CHARMAP\nWIDTH\n");
    let wide = [
        (0x1100, 0x115f),
        (0x2e80, 0x303e),
        (0x3041, 0xa4cf),
        (0xac00, 0xd7a3),
        (0xf900, 0xfaff),
        (0xfe30, 0xfe6f),
        (0xff01, 0xff60),
        (0x1_f300, 0x1_f64f),
    ];
    let _ = writeln!(text, "{}...{} 0", letter(0x300), letter(0x36f));
    for (first, last) in wide {
        let _ = writeln!(text, "{}...{} 2", letter(first), letter(last));
    }
    text.push_str("END WIDTH\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_hold_what_differs_from_c() {
        let Sources { definitions, letters } = sources();
        assert!(definitions.contains("\"f<U00E9>vrier\"") && definitions.is_ascii());
        assert!(definitions.contains("<U0061>\n<U0041>\n<U0062>\n<U0042>\n"));
        assert!(letters.contains("<UD7C0>..<UD7FF> /xed/x9f/x80") && !letters.contains("<UD800>"));
    }
}
