//! The `rbld` command.

/// Evaluation is many small pieces: here they cost half of what they cost with glibc's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // The sandbox's helper process is this binary with one thread: before anything else starts any.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == rbld::sandbox::helper::ARGUMENT) {
        rbld::sandbox::helper::main();
    }
    std::process::exit(rbld::cli::main());
}
