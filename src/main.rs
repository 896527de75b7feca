//! The command line: parses it and calls one function per subcommand.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use ecommerce_api::commands::{self, BadSetting, Document};
use ecommerce_api::config::{self, Settings};
use ecommerce_api::db::seed::Plan;
use ecommerce_api::db::users::Role;

/// How long the end of the process waits for its last message to be written.
const FINAL_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// A contract-first REST API over a MySQL/MariaDB shop database.
///
/// Without a subcommand it serves; without DATABASE_URL it does so from a private MariaDB.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API (the default)
    Serve,
    /// Create missing tables and indexes, or revert that
    Migrate {
        #[command(subcommand)]
        action: Migrate,
    },
    /// Compare the database's tables with what the program needs
    Check,
    /// Add made-up users, products and cart items
    Seed {
        /// How many users
        #[arg(long, default_value = "0")]
        users: u32,
        /// How many products
        #[arg(long, default_value = "0")]
        products: u32,
        /// How many cart items
        #[arg(long, default_value = "0")]
        cart: u32,
        /// The same number gives the same rows in an empty database
        #[arg(long)]
        rng_seed: Option<u64>,
    },
    /// Administer users: a first administrator, roles, sessions
    User {
        #[command(subcommand)]
        action: User,
    },
    /// Print a contract as JSON; needs no database
    Openapi {
        /// Which contract; needed where there are several, except by --check, which checks them all
        #[arg(long, value_name = "NAME")]
        contract: Option<String>,
        /// Print the names of the contracts, one a line
        #[arg(long, conflicts_with_all = ["contract", "generated", "check", "compare"])]
        names: bool,
        /// Print the document that the code generates instead
        #[arg(long, conflicts_with = "check")]
        generated: bool,
        /// Compare the two; exit code 1 where they differ
        #[arg(long)]
        check: bool,
        /// List what changed for clients from an older contract to this program's, or to another one; exit code 1 where the version has to move further
        #[arg(long, num_args = 1..=2, value_names = ["OLD.yaml", "NEW.yaml"], conflicts_with_all = ["generated", "check"])]
        compare: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum User {
    /// Store an administrator; the password is asked for, or is the first line of standard input
    CreateAdmin {
        /// The email that the administrator logs in with
        #[arg(long)]
        email: String,
    },
    /// Change what a user may do; an administrator who becomes a USER is logged out
    SetRole {
        /// The user's email
        #[arg(long)]
        email: String,
        /// The new role
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Log a user out everywhere
    RevokeSessions {
        /// The user's email
        #[arg(long)]
        email: String,
    },
}

fn role(text: &str) -> Result<Role, &'static str> {
    match text {
        "ADMIN" => Ok(Role::Admin),
        "USER" => Ok(Role::User),
        _ => Err("must be ADMIN or USER"),
    }
}

#[derive(Debug, Subcommand)]
enum Migrate {
    /// Apply the migrations that are pending
    Run,
    /// Revert the newest migration; tables that it did not create always stay
    Revert {
        /// Drop the migration's tables even if they have rows
        #[arg(long)]
        drop_tables: bool,
    },
    /// List the migrations and whether they are applied
    Status,
}

fn main() -> ExitCode {
    // Help is printed even if the settings are wrong.
    if let Err(error) = Cli::try_parse()
        && is_help(&error)
    {
        error.exit();
    }
    if let Err(problem) = config::load_dotenv() {
        return fail(&problem, 2);
    }
    let cli = match parse() {
        Ok(cli) => cli,
        Err(problem) => return fail(&problem, 2),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(
            &format!("{error:#}"),
            if error.is::<BadSetting>() { 2 } else { 1 },
        ),
    }
}

/// Reads the command line, and the environment for settings without a flag.
fn parse() -> Result<Cli, String> {
    let command = config::without_empty_variables(Cli::command());
    let matches = command
        .try_get_matches()
        .map_err(|error| one_line(&error))?;
    let Cli { command, settings } =
        Cli::from_arg_matches(&matches).map_err(|error| one_line(&error))?;
    let settings = settings.resolve(&matches)?;
    Ok(Cli { command, settings })
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
        Command::Openapi {
            contract,
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
                [] if names => commands::openapi(Document::Names, None),
                [] if generated => commands::openapi(Document::Generated, contract),
                [] if check => commands::openapi(Document::Check, contract),
                [] => commands::openapi(Document::Contract, contract),
            }
        }
    }
}

/// Whether the error is help or the version, which clap prints itself.
fn is_help(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// The message of clap, which has several paragraphs, in one line.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let words: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    let words = words.join(" ");
    format!("{}; see --help", words.trim_start_matches("error: "))
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
