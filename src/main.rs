//! The command line: parses it and calls one function per subcommand.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use ecommerce_api::commands::{self, BadSetting, Document};
use ecommerce_api::config::{self, Settings};
use ecommerce_api::db::seed::Plan;

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
    /// Create the tables, or take that back
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
    /// Print the contract as JSON; needs no database
    Openapi {
        /// Print the document that the code generates instead
        #[arg(long, conflicts_with = "check")]
        generated: bool,
        /// Compare the two; exit code 1 where they differ
        #[arg(long)]
        check: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Migrate {
    /// Apply the migrations that are pending
    Run,
    /// Take back the newest migration; tables that it did not create always stay
    Revert {
        /// Drop the migration's tables even if they have rows
        #[arg(long)]
        drop_tables: bool,
    },
    /// List the migrations and whether they are applied
    Status,
}

fn main() -> ExitCode {
    if let Err(problem) = config::load_dotenv() {
        return fail(&problem, 2);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(
            &format!("{error:#}"),
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
            generated: true, ..
        } => commands::openapi(Document::Generated),
        Command::Openapi { check: true, .. } => commands::openapi(Document::Check),
        Command::Openapi { .. } => commands::openapi(Document::Contract),
    }
}

/// Help and version as clap prints them; anything else as one line.
fn explain(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => {
            let text = error.render().to_string();
            let mut lines = text
                .lines()
                .map(str::trim)
                .take_while(|line| !line.starts_with("Usage:"));
            let first = lines
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            let rest = lines
                .filter(|line| !line.is_empty())
                .collect::<Vec<_>>()
                .join(" ");
            fail(&format!("{first} {rest}; see --help"), 2)
        }
    }
}

fn fail(problem: &str, code: u8) -> ExitCode {
    eprintln!("ecommerce-api: {problem}");
    ExitCode::from(code)
}
