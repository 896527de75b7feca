//! The command line: parses it and calls one function per subcommand.

fn main() {}
