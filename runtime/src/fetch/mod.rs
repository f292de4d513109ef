//! Fetch. (Being written.)
