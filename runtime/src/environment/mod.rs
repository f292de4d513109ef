//! Environment. (Being written.)
