//! The program: reads the command line and calls one function per subcommand.

mod cli;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ecommerce_api::commands::{self, BadSetting, Document};
use ecommerce_api::config;
use ecommerce_api::db::seed::Plan;

use cli::{Cli, Command, Migrate, User};

/// How long the end of the process waits for its last message to be written.
const FINAL_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // Help is printed even if the settings are wrong.
    cli::exit_with_help();
    if let Err(problem) = config::load_dotenv() {
        return fail(&problem, 2);
    }
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(problem) => return fail(&problem, 2),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(
            &describe(&error),
            if error.is::<BadSetting>() { 2 } else { 1 },
        ),
    }
}

fn run(Cli { command, settings }: Cli) -> anyhow::Result<()> {
    match command.unwrap_or(Command::Serve) {
        Command::Serve => commands::serve(&settings),
        Command::Migrate {
            action: Migrate::Run,
        } => commands::migrate_run(&settings),
        Command::Migrate {
            action: Migrate::Revert { drop_tables },
        } => commands::migrate_revert(&settings, drop_tables),
        Command::Migrate {
            action: Migrate::Status,
        } => commands::migrate_status(&settings),
        Command::Check => commands::check(&settings),
        Command::User { action } => match action {
            User::CreateAdmin { email } => commands::create_admin(&settings, &email),
            User::SetRole { email, role } => commands::set_role(&settings, &email, role),
            User::RevokeSessions { email } => commands::revoke_sessions(&settings, &email),
        },
        Command::Seed {
            users,
            products,
            cart,
            rng_seed,
        } => commands::seed(
            &settings,
            &Plan {
                users,
                products,
                cart,
                rng_seed,
            },
        ),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut cli::command(), "ecommerce-api", &mut script);
            commands::print_bytes(&script)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(cli::command()).render(&mut page)?;
            commands::print_bytes(&page)
        }
        Command::Openapi {
            contract,
            yaml,
            names,
            generated,
            check,
            compare,
        } => {
            let contract = contract.as_deref();
            match compare.as_slice() {
                [old, new @ ..] => {
                    commands::compare(old, new.first().map(PathBuf::as_path), contract)
                }
                [] if yaml => commands::openapi(Document::Yaml, contract),
                [] if names => commands::openapi(Document::Names, None),
                [] if generated => commands::openapi(Document::Generated, contract),
                [] if check => commands::openapi(Document::Check, contract),
                [] => commands::openapi(Document::Contract, contract),
            }
        }
    }
}

/// The error and its causes, each once: the texts of many errors end with that of their cause.
fn describe(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        if text.ends_with(&cause) {
            text
        } else if text.is_empty() {
            cause
        } else {
            format!("{text}: {cause}")
        }
    })
}

/// Prints why the program failed. If nobody reads standard error, the program ends all the same,
/// with the exit code alone.
fn fail(problem: &str, code: u8) -> ExitCode {
    let line = format!("ecommerce-api: {problem}\n");
    let (written, is_written) = mpsc::channel::<()>();
    thread::spawn(move || {
        let _ = io::stderr().write_all(line.as_bytes());
        drop(written);
    });
    // Returns an error in either case: the channel is closed, or the time is over.
    let _ = is_written.recv_timeout(FINAL_WRITE_TIMEOUT);
    ExitCode::from(code)
}
