//! Sandbox. (Being written.)
