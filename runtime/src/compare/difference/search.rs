//! The way down: into compressions and containers, to the leaves that are compared byte by byte.

use std::io;

use super::leaf::{self, Leaf};
use super::nature::{Nature, Opened, head};
use super::{Class, Difference, Entry, Layers, Limits, Opener, Side, What, bytes, entries, front, oci};
use crate::packing::{Budget, Codec, HEAD};

/// The contents of members of one side, by their places in its list.
pub type Children<'c, 'a> = &'c dyn Fn(Side, &[usize]) -> Vec<Layers<'a>>;

/// How two files that are known to differ do so.
pub fn between_files(left: Opener<'_>, right: Opener<'_>, limits: &Limits) -> Difference {
    let budget = Budget::new(limits.unpacked).within(limits.time);
    let (left, right) = (Layers::new(left, budget.clone()), Layers::new(right, budget));
    Search { limits }.between(&left, &right, limits.depth, None)
}

/// How two folders that are known to differ do so; `open` gives the contents of an entry of either by its place in the list.
pub fn between_entries<'a>(
    left: &[Entry],
    right: &[Entry],
    open: &dyn Fn(Side, usize) -> Opener<'a>,
    limits: &Limits,
) -> Difference {
    let budget = Budget::new(limits.unpacked).within(limits.time);
    let children = |side, indexes: &[usize]| {
        indexes.iter().map(|index| Layers::new(open(side, *index), budget.clone())).collect()
    };
    Search { limits }.members(left, right, &children, limits.depth, None)
}

struct Search<'l> {
    limits: &'l Limits,
}

impl Search<'_> {
    /// How two streams differ that lie in a container of the nature `within`.
    fn between(
        &self,
        left: &Layers<'_>,
        right: &Layers<'_>,
        depth: usize,
        within: Option<Nature>,
    ) -> Difference {
        match self.try_between(left, right, depth, within) {
            Ok(difference) => difference,
            Err(why) => self.bytewise(left, right, Nature::Bytes, within, Some(why.to_string())),
        }
    }

    fn try_between(
        &self,
        left: &Layers<'_>,
        right: &Layers<'_>,
        depth: usize,
        within: Option<Nature>,
    ) -> io::Result<Difference> {
        let (one, other) = (Nature::of_layers(left)?, Nature::of_layers(right)?);
        if depth == 0 && !one.is_leaf() {
            let why = "it lies deeper than is looked".to_owned();
            return Ok(self.bytewise(left, right, Nature::Bytes, within, Some(why)));
        }
        if let (Nature::Compressed(one), Nature::Compressed(other)) = (one, other) {
            return self.unpacked(left, right, (one, other), depth, within);
        }
        if one != other {
            return Ok(self.bytewise(left, right, Nature::Bytes, within, None));
        }
        if depth > 0
            && let Some((ours, theirs)) = self.opened(left, right, one)?
        {
            let children = |side, indexes: &[usize]| match side {
                Side::Left => of(left, &ours, indexes),
                Side::Right => of(right, &theirs, indexes),
            };
            let difference = self.members(&ours.entries, &theirs.entries, &children, depth, Some(one));
            if !difference.is_empty() {
                return Ok(difference);
            }
            return Ok(Difference::one(Class::Framing, What::Framing));
        }
        Ok(self.bytewise(left, right, one, within, None))
    }

    /// The members of both sides of one nature; nothing of what has none.
    fn opened(
        &self,
        left: &Layers<'_>,
        right: &Layers<'_>,
        nature: Nature,
    ) -> io::Result<Option<(Opened, Opened)>> {
        if let Some(both) = front::together(nature, (left, right), self.limits)? {
            return Ok(Some(both));
        }
        Ok(nature.open(left, self.limits)?.zip(nature.open(right, self.limits)?))
    }

    fn unpacked(
        &self,
        left: &Layers<'_>,
        right: &Layers<'_>,
        (one, other): (Codec, Codec),
        depth: usize,
        within: Option<Nature>,
    ) -> io::Result<Difference> {
        let header = if one == Codec::Gzip && other == Codec::Gzip {
            bytes::gzip_facts(&head(left, HEAD)?, &head(right, HEAD)?)
        } else {
            Vec::new()
        };
        let (inner_left, inner_right) = (left.unpacked(one).kept(), right.unpacked(other).kept());
        let natures = (Nature::of_layers(&inner_left)?, Nature::of_layers(&inner_right)?);
        let archives = natures.0 == natures.1 && !natures.0.is_leaf();
        let mut difference = Difference::default();
        // An archive is gone through once: only if its members say nothing is it compared as a stream.
        if archives {
            difference = self.between(&inner_left, &inner_right, depth - 1, within);
        }
        let framed = difference.classes.iter().all(|class| *class == Class::Framing);
        if framed && bytes::first_difference(&inner_left, &inner_right)?.is_none() {
            return Ok(match bytes::first_difference(left, right)? {
                None => Difference::default(),
                Some(_) => {
                    Difference::one(Class::Compression, What::Compression { left: one, right: other, header })
                }
            });
        }
        if !archives {
            let inner = self.between(&inner_left, &inner_right, depth - 1, within);
            difference.within(natures.0.is_leaf().then_some("(unpacked)"), inner);
        }
        if one != other || !header.is_empty() {
            let what = What::Compression { left: one, right: other, header };
            difference.add(Class::Compression, Vec::new(), what);
        }
        Ok(difference)
    }

    fn members(
        &self,
        left: &[Entry],
        right: &[Entry],
        children: Children<'_, '_>,
        depth: usize,
        nature: Option<Nature>,
    ) -> Difference {
        // The blobs of an image are called by their digests: their roles are what is the same on both sides.
        let roles = oci::roles(left, Side::Left, children).zip(oci::roles(right, Side::Right, children));
        let image = roles.is_some();
        let (left, right) = roles.unwrap_or_else(|| (oci::Roles::none(left), oci::Roles::none(right)));
        let mut compared = entries::compare(&left.entries, &right.entries);
        if image {
            // In what order they come follows from the digests.
            compared.rest.forget(Class::Order);
            oci::telling(&left.entries, &mut compared.contents);
        }
        let mut difference = Difference::default();
        let dived = &compared.contents[..compared.contents.len().min(self.limits.dives)];
        let ours: Vec<usize> = dived.iter().map(|(one, _)| *one).collect();
        let theirs: Vec<usize> = dived.iter().map(|(_, other)| *other).collect();
        let (ours_at, theirs_at) = (left.places(&ours), right.places(&theirs));
        let pairs = children(Side::Left, &ours_at).into_iter().zip(children(Side::Right, &theirs_at));
        for (index, (one, other)) in ours.iter().zip(pairs) {
            let inner = self.between(&one.kept(), &other.kept(), depth.saturating_sub(1), nature);
            difference.within(Some(&left.entries[*index].name), inner);
        }
        let rest = &compared.contents[dived.len()..];
        if !rest.is_empty() {
            let names =
                rest.iter().take(entries::NAMES).map(|(one, _)| left.entries[*one].name.clone()).collect();
            difference.add(Class::Contents, Vec::new(), What::More { members: rest.len(), names });
        }
        difference.within(None, compared.rest);
        difference
    }

    fn bytewise(
        &self,
        left: &Layers<'_>,
        right: &Layers<'_>,
        nature: Nature,
        within: Option<Nature>,
        why: Option<String>,
    ) -> Difference {
        let mut difference = Difference::default();
        match bytes::describe(left, right, nature == Nature::Text) {
            Ok(Some(what)) => {
                let leaf = leaf::compare(left, right, nature, &what).unwrap_or_else(|_| Leaf::unread(nature));
                difference.leaves.push(Leaf { within, ..leaf });
                difference.add(Class::Contents, Vec::new(), what);
            }
            Ok(None) => {}
            Err(error) => difference.add(Class::Contents, Vec::new(), What::Unread(error.to_string())),
        }
        if let Some(why) = why {
            difference.add(Class::Contents, Vec::new(), What::Unread(why));
        }
        difference
    }
}

/// Members of an opened container, in the order of their asking.
fn of<'a>(container: &Layers<'a>, opened: &Opened, indexes: &[usize]) -> Vec<Layers<'a>> {
    let places: Vec<_> = indexes.iter().map(|index| &opened.places[*index]).collect();
    container.members(&places)
}
