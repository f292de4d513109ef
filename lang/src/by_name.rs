//! Few values by name, sorted: what a derivation has thousands of times. Names are shared with whoever else has them.

use std::sync::Arc;

/// Values by name, in the order of the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByName<T>(Box<[(Arc<str>, T)]>);

impl<T> ByName<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values in pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &T)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.iter().map(|(name, _)| name)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, value)| value)
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&T> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }
}

impl<T> Default for ByName<T> {
    fn default() -> ByName<T> {
        ByName(Box::from([]))
    }
}

/// Of two values of one name the last stays.
impl<N: Into<Arc<str>>, T> FromIterator<(N, T)> for ByName<T> {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(pairs: I) -> ByName<T> {
        let mut pairs: Vec<(Arc<str>, T)> =
            pairs.into_iter().map(|(name, value)| (name.into(), value)).collect();
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        pairs.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                std::mem::swap(later, first);
            }
            same
        });
        ByName(pairs.into_boxed_slice())
    }
}

impl<N: Into<Arc<str>>, T, const COUNT: usize> From<[(N, T); COUNT]> for ByName<T> {
    fn from(pairs: [(N, T); COUNT]) -> ByName<T> {
        pairs.into_iter().collect()
    }
}

impl<T> std::ops::Index<&str> for ByName<T> {
    type Output = T;

    #[expect(clippy::expect_used, reason = "as every index")]
    fn index(&self, name: &str) -> &T {
        self.get(name).expect("a value of that name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_the_order_of_their_names_and_the_last_of_a_name_stays() {
        let found = ByName::from([("b", 1), ("a", 2), ("b", 3)]);
        assert_eq!(
            found.iter().map(|(name, value)| (&**name, *value)).collect::<Vec<_>>(),
            [("a", 2), ("b", 3)]
        );
        assert_eq!((found.get("b"), found.get("c"), found["a"], found.len()), (Some(&3), None, 2, 2));
    }
}
