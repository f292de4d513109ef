//! Report. (Being written.)
