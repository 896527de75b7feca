//! The command line: its definition, its help, and its errors.
//!
//! Imports `config` and what the arguments stand for. The help has two lengths: `-h` has what the
//! subcommand uses and people often change, `--help` has every setting.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgGroup, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use ecommerce_api::config::{self, Settings};
use ecommerce_api::db::users::Role;

/// A contract-first REST API over a MySQL/MariaDB shop database.
///
/// Without a subcommand it serves; without DATABASE_URL it does so from a private MariaDB.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// What to do; `None` stands for serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The settings, which every subcommand accepts.
    #[command(flatten)]
    pub settings: Settings,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
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
    #[command(group = ArgGroup::new("rows").args(["users", "products", "cart"]).multiple(true).required(true))]
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
    /// Print a contract as JSON or YAML; needs no database
    Openapi {
        /// Which contract; needed where there are several, except by --check, which checks them all
        #[arg(long, value_name = "NAME")]
        contract: Option<String>,
        /// Print the contract as it is written, in YAML
        #[arg(long, conflicts_with_all = ["names", "generated", "check", "compare"])]
        yaml: bool,
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
    /// Print the completions of commands and flags for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, for `man -l`
    Man,
}

/// The subcommands of `user`.
#[derive(Debug, Subcommand)]
pub enum User {
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

/// The subcommands of `migrate`.
#[derive(Debug, Subcommand)]
pub enum Migrate {
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

/// The settings that `-h` lists for the server.
const OFTEN_CHANGED: [&str; 9] = [
    "server_host",
    "server_port",
    "tls_cert",
    "tls_key",
    "database_url",
    "data_dir",
    "migrate_on_start",
    "cors_allow_origin",
    "rust_log",
];

/// The settings that `-h` lists for a subcommand that works on a database.
const OF_THE_DATABASE: [&str; 2] = ["database_url", "data_dir"];

/// The subcommands that read no setting.
const WITHOUT_SETTINGS: [&str; 3] = ["openapi", "completions", "man"];

/// The whole command line, for completions and the manual page.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Shortens `-h` of the command line and of its subcommands.
fn with_short_help(mut command: clap::Command) -> clap::Command {
    // Copies the settings into the subcommands, whose help is shortened one by one.
    command.build();
    let subcommands: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_owned())
        .collect();
    for name in subcommands {
        let settings: &[&str] = match name.as_str() {
            "serve" => &OFTEN_CHANGED,
            name if WITHOUT_SETTINGS.contains(&name) => &[],
            _ => &OF_THE_DATABASE,
        };
        command = command.mut_subcommand(name, |subcommand| shorten_help(subcommand, settings));
    }
    shorten_help(command, &OFTEN_CHANGED)
}

/// Hides each setting that is not in `shown` from the short help of a command and its subcommands.
fn shorten_help(command: clap::Command, shown: &[&str]) -> clap::Command {
    let is_hidden =
        |arg: &clap::Arg| arg.is_global_set() && !shown.contains(&arg.get_id().as_str());
    let nested: Vec<String> = command
        .get_subcommands()
        .filter(|_| command.get_name() != "ecommerce-api")
        .map(|nested| nested.get_name().to_owned())
        .collect();
    let command = command.mut_args(|arg| {
        let hide = is_hidden(&arg);
        if hide { arg.hide_short_help(true) } else { arg }
    });
    nested.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |nested| shorten_help(nested, shown))
    })
}

/// Prints help, completions or the version and ends the process if the arguments ask for that, whatever
/// the settings are.
pub fn exit_with_help() {
    if let Err(error) = with_short_help(command()).try_get_matches()
        && is_help(&error)
    {
        error.exit();
    }
}

/// Reads the command line, and the environment for settings without a flag.
///
/// # Errors
/// One line.
pub fn parse() -> Result<Cli, String> {
    let command = with_short_help(config::without_empty_variables(command()));
    let matches = command
        .try_get_matches()
        .map_err(|error| one_line(&error))?;
    let Cli { command, settings } =
        Cli::from_arg_matches(&matches).map_err(|error| one_line(&error))?;
    let settings = settings.resolve(&matches)?;
    Ok(Cli { command, settings })
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

/// The message of clap, which has several paragraphs, in one line. Where the value of a variable is wrong,
/// the message names the variable, not the flag that nobody wrote.
fn one_line(error: &clap::Error) -> String {
    if let Some(problem) = problem_of_variable(error) {
        return problem;
    }
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

/// What is wrong with the value of a variable; `None` for an error of another kind, or of a flag.
fn problem_of_variable(error: &clap::Error) -> Option<String> {
    let ContextValue::String(argument) = error.get(ContextKind::InvalidArg)? else {
        return None;
    };
    let end = argument.find([' ', '=', '[']).unwrap_or(argument.len());
    let flag = &argument[..end];
    let is_flag_given = env::args().any(|given| {
        let rest = given.strip_prefix(flag);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    let settings = <Settings as clap::Args>::augment_args(clap::Command::new(""));
    let mut settings = settings.get_arguments();
    let setting = settings.find(|arg| {
        let long = arg.get_long();
        long.is_some_and(|long| flag.strip_prefix("--") == Some(long))
    })?;
    let variable = setting.get_env().and_then(OsStr::to_str)?;
    if is_flag_given {
        return None;
    }
    let text = error.render().to_string();
    let (_, problem) = text.lines().next()?.split_once(&format!("'{argument}'"))?;
    let problem = problem.trim_start_matches(": ");
    let possible = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => {
            format!(" [possible values: {}]", values.join(", "))
        }
        _ => String::new(),
    };
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => format!("invalid value '{value}'"),
        _ => "invalid value".to_owned(),
    };
    let colon = if problem.is_empty() { "" } else { ": " };
    Some(format!(
        "{variable}: {value}{possible}{colon}{problem}; see --help"
    ))
}
