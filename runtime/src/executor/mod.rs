//! Executor. (Being written.)
