//! The `rbld` command.

fn main() {
    // The sandbox's helper process is this binary with one thread: before anything else starts any.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == rbld::sandbox::helper::ARGUMENT) {
        rbld::sandbox::helper::main();
    }
    std::process::exit(rbld::cli::main());
}
