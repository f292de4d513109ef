//! Compare. (Being written.)
