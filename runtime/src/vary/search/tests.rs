use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rbld_lang::vary::Axis;

use super::subjects::{Chance, Made, axes};
use super::{BUILD, Effect, Found, Options, search};

fn found(made: &mut Made) -> Found {
    search(made, &Options::default()).unwrap()
}

/// The causes as text, each with its places.
fn causes(found: &Found) -> Vec<String> {
    let mut causes: Vec<String> = found
        .causes
        .iter()
        .map(|cause| {
            let names: Vec<&str> = cause.axes.iter().map(|axis| axis.name()).collect();
            let effect = match cause.effect {
                Effect::Changes => "",
                Effect::Sometimes { .. } => " sometimes",
                Effect::Holds => " holds",
            };
            format!("{}{effect}: {}", names.join("+"), cause.places.join(" "))
        })
        .collect();
    causes.sort();
    causes
}

#[test]
fn what_never_differs_is_reproducible() {
    let mut made = Made::new(0);
    let found = found(&mut made);
    assert!(found.is_reproducible());
    assert_eq!(made.runs.len(), 3);
}

#[test]
fn what_differs_by_itself_is_flaky_and_no_axis_is_blamed() {
    let mut made = Made::new(0).place("a", |_, chance| chance.number()).changed("b", &[Axis::Umask]);
    let found = found(&mut made);
    assert_eq!(found.flaky, ["a"]);
    assert_eq!(causes(&found), ["umask: b"]);
    assert!(!found.is_reproducible());
}

#[test]
fn each_single_cause_is_found() {
    for axis in Axis::ALL {
        let mut made = Made::new(0).changed("a", &[axis]);
        assert_eq!(causes(&found(&mut made)), [format!("{}: a", axis.name())]);
        assert!(made.runs.len() <= 12, "{axis:?} took {}", made.runs.len());
    }
}

#[test]
fn a_right_guess_takes_five_runs() {
    for axis in Axis::ALL {
        let mut made = Made::new(0).changed("a", &[axis]).pointing("a", &[axis], true);
        assert_eq!(causes(&found(&mut made)), [format!("{}: a", axis.name())]);
        assert_eq!(made.runs.len(), 5);
    }
}

#[test]
fn a_wrong_guess_does_no_harm() {
    let mut made = Made::new(0).changed("a", &[Axis::Umask]).pointing("a", &[Axis::Time, Axis::User], true);
    assert_eq!(causes(&found(&mut made)), ["umask: a"]);
}

#[test]
fn pairs_are_found_where_neither_does_it_alone() {
    for one in Axis::ALL {
        for other in Axis::ALL.into_iter().filter(|other| *other > one) {
            let mut made = Made::new(0).changed("a", &[one, other]);
            let found = found(&mut made);
            assert_eq!(causes(&found), [format!("{}+{}: a", one.name(), other.name())]);
        }
    }
}

#[test]
fn causes_of_different_places_are_told_apart() {
    let mut made = Made::new(0)
        .changed("a", &[Axis::Umask])
        .changed("b", &[Axis::Time])
        .changed("c", &[Axis::Kernel])
        .changed("d", &[Axis::BuildPath, Axis::Locale]);
    assert_eq!(causes(&found(&mut made)), ["build_path+locale: d", "kernel: c", "time: b", "umask: a"]);
}

#[test]
fn causes_of_one_place_are_told_apart_and_what_one_hides_comes_out() {
    let mut made = Made::new(0).masked("a", &[Axis::Umask, Axis::Time, Axis::Kernel]);
    assert_eq!(causes(&found(&mut made)), ["kernel: a", "time: a", "umask: a"]);
}

#[test]
fn two_pairs_with_one_axis_in_common_are_found() {
    let (one, other) = (axes(&[Axis::Time, Axis::Locale]), axes(&[Axis::Time, Axis::Umask]));
    let mut made = Made::new(0).place("a", move |variant, _| {
        u64::from(variant.axes.is_superset(&one) || variant.axes.is_superset(&other))
    });
    assert_eq!(causes(&found(&mut made)), ["locale+time: a", "time+umask: a"]);
}

#[test]
fn what_fails_is_a_finding_and_hides_nothing_else() {
    let mut made = Made::new(0).failing(&[Axis::Locale]).changed("a", &[Axis::Umask]);
    assert_eq!(causes(&found(&mut made)), ["locale: ", "umask: a"]);
    assert!(BUILD.is_empty());
}

#[test]
fn a_build_that_fails_plainly_is_run_no_further() {
    let mut made = Made::new(0).failing(&[]);
    let found = found(&mut made);
    assert!(found.failed().is_some() && !found.is_reproducible());
    assert_eq!(made.runs.len(), 3);
}

#[test]
fn a_race_that_an_axis_brings_about_is_put_down_to_it() {
    let mut named = 0;
    for seed in 0..100 {
        let mut made = Made::new(seed).sometimes("a", &[Axis::Jobs], 80).pointing("a", &[Axis::Jobs], false);
        let found = found(&mut made);
        let axes: Vec<_> = found.causes.iter().map(|cause| cause.axes.clone()).collect();
        named += u32::from(axes == [BTreeSet::from([Axis::Jobs])]);
    }
    // One run with everything varied sees four of five.
    assert!(named >= 70, "{named}");
}

#[test]
fn a_time_that_passes_is_put_down_to_the_clock_once_holding_it_stills_the_place() {
    let (time, zone) = (Axis::Time, Axis::Timezone);
    let mut made = Made::new(0)
        .place("a", move |variant, chance| {
            let still = variant.axes.contains(&time) || variant.held.contains(&time);
            let now = if still { u64::from(variant.axes.contains(&time)) } else { chance.number() };
            now ^ u64::from(variant.axes.contains(&zone))
        })
        .pointing("a", &[time], true);
    // Both varied undo each other here, which hides neither.
    assert_eq!(causes(&found(&mut made)), ["time holds: a", "timezone: a"]);
}

#[test]
fn the_limit_of_runs_ends_a_search() {
    let mut made = Made::new(0).changed("a", &[Axis::Time, Axis::Umask, Axis::Kernel]);
    let found = search(&mut made, &Options { most: 6, ..Options::default() }).unwrap();
    assert!(!found.complete && !found.is_reproducible());
    assert!(made.runs.len() <= 8);
}

/// A kind of subject: how it is made for a seed, and the causes that it has.
type Kind = (&'static str, fn(&mut Chance, u64) -> (Made, Vec<String>));

/// Two different axes, sorted.
fn two(chance: &mut Chance) -> [Axis; 2] {
    loop {
        let (one, other) = (chance.axis(), chance.axis());
        if one < other {
            return [one, other];
        }
    }
}

const KINDS: [Kind; 12] = [
    ("nothing", |_, seed| (Made::new(seed), Vec::new())),
    ("one axis", |chance, seed| {
        let axis = chance.axis();
        (Made::new(seed).changed("a", &[axis]), vec![format!("{}: a", axis.name())])
    }),
    ("one axis that is pointed to", |chance, seed| {
        let axis = chance.axis();
        let made = Made::new(seed).changed("a", &[axis]).pointing("a", &[axis], true);
        (made, vec![format!("{}: a", axis.name())])
    }),
    ("one axis, the second that is pointed to", |chance, seed| {
        let [axis, wrong] = two(chance);
        let made = Made::new(seed).changed("a", &[axis]).pointing("a", &[wrong, axis], false);
        (made, vec![format!("{}: a", axis.name())])
    }),
    ("two axes, each a place", |chance, seed| {
        let [one, other] = two(chance);
        let made = Made::new(seed).changed("a", &[one]).changed("b", &[other]);
        (made, vec![format!("{}: a", one.name()), format!("{}: b", other.name())])
    }),
    ("two axes, each a place, pointed to", |chance, seed| {
        let [one, other] = two(chance);
        let made = Made::new(seed).changed("a", &[one]).changed("b", &[other]);
        let made = made.pointing("a", &[one], true).pointing("b", &[other], true);
        (made, vec![format!("{}: a", one.name()), format!("{}: b", other.name())])
    }),
    ("two axes, one place", |chance, seed| {
        let [one, other] = two(chance);
        let made = Made::new(seed).masked("a", &[one, other]);
        (made, vec![format!("{}: a", one.name()), format!("{}: a", other.name())])
    }),
    ("two axes together only", |chance, seed| {
        let [one, other] = two(chance);
        let made = Made::new(seed).changed("a", &[one, other]);
        (made, vec![format!("{}+{}: a", one.name(), other.name())])
    }),
    ("five axes, each a place", |chance, seed| {
        let mut set = BTreeSet::new();
        while set.len() < 5 {
            set.insert(chance.axis());
        }
        let mut made = Made::new(seed);
        let mut expected = Vec::new();
        for axis in set {
            made = made.changed(axis.name(), &[axis]);
            expected.push(format!("{}: {0}", axis.name()));
        }
        (made, expected)
    }),
    ("one axis that makes the build fail, one that changes a place", |chance, seed| {
        let [one, other] = two(chance);
        let made = Made::new(seed).failing(&[one]).changed("a", &[other]);
        (made, vec![format!("{}: ", one.name()), format!("{}: a", other.name())])
    }),
    ("flaky, in half of the runs", |_, seed| (Made::new(seed).sometimes("a", &[], 50), Vec::new())),
    ("flaky, never twice the same", |_, seed| {
        (Made::new(seed).place("a", |_, chance| chance.number()), Vec::new())
    }),
];

/// How many runs each kind of subject takes, over many seeds: what is kept is a statement of what the search costs.
#[test]
fn the_search_costs_what_is_written_down() {
    const SEEDS: u64 = 40;
    let mut text = String::from(
        "Runs that a search over 15 axes takes, for 40 made-up builds of each kind: the least, the mean, the most, and\n\
         of how many the causes were named exactly. One axis at a time would take 18.\n\n",
    );
    for (name, make) in KINDS {
        let (mut runs, mut right): (BTreeMap<usize, u64>, u64) = (BTreeMap::new(), 0);
        for seed in 0..SEEDS {
            let (mut made, mut expected) = make(&mut Chance::new(seed), seed);
            let found = found(&mut made);
            expected.sort();
            let exact = causes(&found) == expected;
            if name != "flaky, in half of the runs" {
                assert!(exact, "{name}, seed {seed}: {:?} instead of {expected:?}", causes(&found));
            }
            right += u64::from(exact);
            *runs.entry(made.runs.len()).or_default() += 1;
        }
        let sum: u64 = runs.iter().map(|(runs, times)| *runs as u64 * times).sum();
        let (least, most) = (runs.keys().min().unwrap(), runs.keys().max().unwrap());
        let tenths = sum * 10 / SEEDS;
        writeln!(
            text,
            "{name:<60} {least:>3} {:>3}.{} {most:>3}  {right} of {SEEDS}",
            tenths / 10,
            tenths % 10
        )
        .unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/vary/search/statistics.txt");
    if std::env::var_os("RBLD_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(kept, text, "run it with RBLD_BLESS=1 and read what changed");
}

/// Any causes whatever: each that is reported was run, changes its places, and has no part that does.
#[test]
fn whatever_is_reported_is_a_smallest_set_that_was_run() {
    let mut unfinished = 0;
    for seed in 0..150 {
        let mut chance = Chance::new(seed);
        let mut made = Made::new(seed);
        let mut rules: BTreeMap<String, Vec<BTreeSet<Axis>>> = BTreeMap::new();
        for place in ["a", "b", "c"] {
            let sets: Vec<BTreeSet<Axis>> = (0..chance.below(3))
                .map(|_| (0..=chance.below(2)).map(|_| chance.axis()).collect())
                .collect();
            let by = sets.clone();
            made = made.place(place, move |variant, _| {
                // Which of them are there: no two hide each other wholly.
                by.iter()
                    .enumerate()
                    .map(|(index, set)| u64::from(variant.axes.is_superset(set)) << index)
                    .sum()
            });
            rules.insert(place.to_owned(), sets);
        }
        let found = found(&mut made);
        assert!(found.flaky.is_empty(), "seed {seed}");
        if !found.complete || !found.unexplained.is_empty() {
            unfinished += 1;
            continue;
        }
        let all: Vec<&BTreeSet<Axis>> = rules.values().flatten().collect();
        for cause in &found.causes {
            assert_eq!(found.trials[cause.with].variant.axes, cause.axes, "seed {seed}");
            assert!(found.trials[cause.without].is_plain());
            for place in &cause.places {
                let sets = &rules[place];
                let does = sets.iter().any(|set| set.is_subset(&cause.axes));
                assert!(does, "seed {seed}: {:?} doesn't change {place}", cause.axes);
            }
        }
        for (place, sets) in &rules {
            for set in sets {
                let named =
                    found.causes.iter().any(|cause| cause.axes == *set && cause.places.contains(place));
                let smaller = sets.iter().any(|other| other.is_subset(set) && other != set);
                // Only a set that shares an axis with another may be missed: that one is left out of later runs.
                let apart = all.iter().all(|other| *other == set || other.is_disjoint(set));
                assert!(
                    named || smaller || !apart,
                    "seed {seed}: {set:?} changes {place}: {:?}",
                    causes(&found)
                );
            }
        }
    }
    assert!(unfinished < 3, "{unfinished} of 150 searches came to no end");
}
