//! Every setting of the program: its name, default and meaning. No other module reads the
//! environment.
//!
//! A setting takes its value from the first of these sources that has one: the flag, the
//! environment, the file `.env` in the working directory, the default. An empty variable, which
//! compose files produce, stands for the default and overrides `.env`; only an empty
//! `CORS_ALLOW_ORIGIN` has a meaning of its own. Imports no other module: the module that uses a
//! setting parses it, so the database's URL is an opaque secret here.

use std::env;
use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::builder::{BoolishValueParser, Resettable};
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, Command, ValueEnum};
use secrecy::{ExposeSecret, SecretString};

/// The settings, the same for every subcommand.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings (as flag, environment variable or line of .env)")]
pub struct Settings {
    /// Address to listen on: 127.0.0.1, localhost, 0.0.0.0, ::
    #[arg(long, env, global = true, default_value = "127.0.0.1", value_name = "ADDRESS", value_parser = host)]
    pub server_host: IpAddr,

    /// Port to listen on; 0 takes a free one
    #[arg(long, env, global = true, default_value = "8088")]
    pub server_port: u16,

    /// Whether requests without an access token may do everything (off), or only what everyone may
    /// (required). By default off while SERVER_HOST is a loopback address; elsewhere it has to be set
    #[arg(long, env, global = true)]
    pub auth_mode: Option<AuthMode>,

    /// PEM file with the certificate for HTTPS, followed by those of its issuers; together with TLS_KEY.
    /// Read again when it changes, and at SIGHUP. Without it the port speaks HTTP
    #[arg(long, env, global = true, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// PEM file with the private key of TLS_CERT
    #[arg(long, env, global = true, value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// For how many seconds browsers use only HTTPS for every port of this host; 0 ends that at once. Said to
    /// clients that use HTTPS, also to a trusted proxy. By default one year, but nothing is said while
    /// SERVER_HOST is a loopback address
    #[arg(long, env, global = true, value_name = "SECONDS")]
    hsts_max_age: Option<u32>,

    /// mysql://user:password@host:3306/shop, with ?socket=PATH or ?ssl_mode=disabled|required|verify_ca|verify_identity
    /// and &ssl_ca=FILE; without it a private MariaDB is started under DATA_DIR
    #[arg(long, env, global = true, hide_env_values = true)]
    database_url: Option<SecretString>,

    /// File that holds the database's URL, for secrets that are mounted; instead of DATABASE_URL
    #[arg(long, env, global = true, value_name = "FILE")]
    database_url_file: Option<PathBuf>,

    /// The secret that access tokens are signed with, at least 32 bytes, the same for every replica. Without
    /// it the private MariaDB's data directory gets one; with DATABASE_URL sessions end with the process
    #[arg(long, env, global = true, hide_env_values = true)]
    secret_key: Option<SecretString>,

    /// File that holds the secret, for secrets that are mounted; instead of SECRET_KEY
    #[arg(long, env, global = true, value_name = "FILE")]
    secret_key_file: Option<PathBuf>,

    /// The secret before SECRET_KEY, whose tokens stay valid: for 15 minutes after a change
    #[arg(long, env, global = true, hide_env_values = true)]
    secret_key_previous: Option<SecretString>,

    /// File that holds the previous secret; instead of SECRET_KEY_PREVIOUS
    #[arg(long, env, global = true, value_name = "FILE")]
    secret_key_previous_file: Option<PathBuf>,

    /// Connections to the database that requests share
    #[arg(long, env, global = true, default_value = "16", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub database_pool_size: u16,

    /// Connections to the database for lists; one client holds at most a quarter of them
    #[arg(long, env, global = true, default_value = "64", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub database_list_pool_size: u16,

    /// Seconds within which a request has its response, or a 503
    #[arg(long, env, global = true, default_value = "10", value_parser = clap::value_parser!(u16).range(2..=600))]
    pub request_timeout: u16,
    /// How many seconds `serve` and `migrate run` wait for a database that is not up yet; the other
    /// subcommands do not wait
    #[arg(long, env, global = true, default_value = "30", value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(0..=3600))]
    pub database_wait: u16,

    /// Where the private MariaDB keeps its data
    #[arg(long, env, global = true, default_value = ".data", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// Run pending migrations on DATABASE_URL before serving (the private MariaDB is always migrated)
    #[arg(
        long, env, global = true, default_value = "false", default_missing_value = "true",
        num_args = 0..=1, require_equals = true, value_parser = BoolishValueParser::new()
    )]
    pub migrate_on_start: bool,

    /// Whether passwords that other programs stored in plain text are accepted; the first login replaces
    /// them by a hash. Hashes of other programs are always accepted
    #[arg(long, env, global = true, default_value = "true", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub legacy_passwords: bool,

    /// How many seconds new connections are still accepted after SIGTERM, while /health is 503 already:
    /// longer than the load balancer takes to notice
    #[arg(long, env, global = true, default_value = "0", value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(0..=3600))]
    pub shutdown_delay: u16,

    /// Address and port for monitoring, without TLS: /metrics, /health, /health/live, /health/ready. Not
    /// SERVER_PORT; best a loopback address
    #[arg(long, env, global = true, value_name = "ADDRESS:PORT")]
    pub metrics_addr: Option<SocketAddr>,

    /// MiB of memory for the bodies of all requests together; one client address may use a quarter
    #[arg(long, env, global = true, default_value = "64", value_name = "MIB", value_parser = clap::value_parser!(u16).range(8..=4096))]
    pub body_memory: u16,

    /// The addresses and networks whose clients have no limits of their own, or none
    #[arg(
        long,
        env,
        global = true,
        default_value = "127.0.0.0/8,::1",
        value_name = "NETWORKS"
    )]
    pub address_limit_exempt: String,

    /// The addresses and networks of proxies whose Forwarded or X-Forwarded-For names the client, or none.
    /// Let the proxy send only one of them, and remove the other
    #[arg(
        long,
        env,
        global = true,
        default_value = "none",
        value_name = "NETWORKS"
    )]
    pub trusted_proxies: String,

    /// Whether every connection begins with a header of the PROXY protocol, version 2, before TLS; those from
    /// elsewhere than TRUSTED_PROXIES are closed
    #[arg(
        long, env, global = true, default_value = "false", default_missing_value = "true",
        num_args = 0..=1, require_equals = true, value_parser = BoolishValueParser::new()
    )]
    pub proxy_protocol: bool,

    /// Requests of one client address that verify a password: 20/m for example (s, m, h or d), or off. Not
    /// those of ADDRESS_LIMIT_EXEMPT
    #[arg(long, env, global = true, value_name = "QUOTA")]
    pub rate_limit_login: Option<String>,

    /// New users of one client address without an account: 20/h for example, or off
    #[arg(long, env, global = true, value_name = "QUOTA")]
    pub rate_limit_sign_up: Option<String>,

    /// Requests of one client address, and of one account, that change something: 600/m for example, or off
    #[arg(long, env, global = true, value_name = "QUOTA")]
    pub rate_limit_writes: Option<String>,

    /// Rows of lists that one client address reads without an account: 1000000/h for example, or off
    #[arg(long, env, global = true, value_name = "QUOTA")]
    pub rate_limit_rows: Option<String>,

    /// Connections of one address (IPv6: of one /64) at a time, at most a quarter of all 4096; a further one
    /// closes the one that has been idle longest, or is closed at once
    #[arg(long, env, global = true, default_value = "256", value_name = "CONNECTIONS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub address_connections: u16,

    /// The origins whose pages may call: *, or https://a.example,https://b.example, or nothing
    #[arg(long, env, global = true, default_value = "*", value_name = "ORIGINS")]
    pub cors_allow_origin: String,

    /// Host names to accept: *, or shop.example,localhost. By default any, but only this machine's
    /// own names while SERVER_HOST is a loopback address
    #[arg(long, env, global = true, value_name = "NAMES")]
    pub allowed_hosts: Option<String>,

    /// Whether responses are checked against the contract: a nonconforming one is logged (warn), or
    /// also replaced by a 500 (enforce)
    #[arg(long, env, global = true, default_value = "off")]
    pub contract_validation: ContractValidation,

    /// The share of the responses that CONTRACT_VALIDATION=warn checks, 0 to 1
    #[arg(long, env, global = true, default_value = "1", value_name = "SHARE", value_parser = share)]
    pub contract_validation_sample: f64,

    /// The format of log lines
    #[arg(long, env, global = true, default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug, trace, or directives such as ecommerce_api=debug
    #[arg(
        long,
        env,
        global = true,
        default_value = "info",
        value_name = "FILTER"
    )]
    pub rust_log: String,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object on each line, for machines.
    Json,
}

/// Whether requests without an access token are restricted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    /// They may do everything.
    Off,
    /// They may do what everyone may.
    Required,
}

/// What happens to a response that does not conform to the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ContractValidation {
    /// Responses are not checked.
    Off,
    /// The response is logged, and sent.
    Warn,
    /// The response is logged, and a 500 is sent in its place.
    Enforce,
}

/// An address to listen on. `localhost` is 127.0.0.1, since a name can stand for several addresses.
fn host(text: &str) -> Result<IpAddr, String> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let address = text.trim_matches(['[', ']']).parse();
    address.map_err(|_| "not an IP address; write 127.0.0.1, localhost, 0.0.0.0 or ::".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "not a number from 0 to 1".to_owned())
}

/// The seconds of one year.
const ONE_YEAR: u32 = 31_536_000;

impl Settings {
    /// The files of the certificate and its key; `None` without TLS.
    ///
    /// # Errors
    /// One line, when only one of them is set.
    pub fn tls_files(&self) -> Result<Option<(&Path, &Path)>, String> {
        let only = |set: &str, other: &str| {
            Err(format!(
                "{set} is set without {other}: set both for HTTPS, or neither for HTTP"
            ))
        };
        match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Ok(Some((cert, key))),
            (None, None) => Ok(None),
            (Some(_), None) => only("TLS_CERT", "TLS_KEY"),
            (None, Some(_)) => only("TLS_KEY", "TLS_CERT"),
        }
    }

    /// The seconds for which browsers use only HTTPS after a response by HTTPS; `None` says nothing.
    #[must_use]
    pub fn hsts_max_age(&self) -> Option<u32> {
        // For `localhost`, it would break every other server on this machine that has no TLS.
        let default = (!self.server_host.is_loopback()).then_some(ONE_YEAR);
        self.hsts_max_age.or(default)
    }

    /// The database's URL, from the setting itself or from the file it names; `None` stands for
    /// the private MariaDB.
    ///
    /// # Errors
    /// One line, when the file cannot be read or is empty.
    pub fn database_url(&self) -> Result<Option<SecretString>, String> {
        secret(
            self.database_url.as_ref(),
            "DATABASE_URL_FILE",
            self.database_url_file.as_deref(),
        )
    }

    /// The present and the previous secret that access tokens are signed with, from the settings themselves or
    /// from the files they name.
    ///
    /// # Errors
    /// One line, when a file cannot be read or is empty.
    pub fn secret_keys(&self) -> Result<(Option<SecretString>, Option<SecretString>), String> {
        let current = secret(
            self.secret_key.as_ref(),
            "SECRET_KEY_FILE",
            self.secret_key_file.as_deref(),
        );
        let previous = secret(
            self.secret_key_previous.as_ref(),
            "SECRET_KEY_PREVIOUS_FILE",
            self.secret_key_previous_file.as_deref(),
        );
        Ok((current?, previous?))
    }

    /// Chooses between each secret and its file: a flag wins over a variable. `matches` has the arguments from
    /// which these settings were read.
    ///
    /// # Errors
    /// One line, when both are flags or both are variables.
    pub fn resolve(mut self, matches: &ArgMatches) -> Result<Self, String> {
        let mut pairs = [
            (
                "DATABASE_URL",
                &mut self.database_url,
                &mut self.database_url_file,
            ),
            (
                "SECRET_KEY",
                &mut self.secret_key,
                &mut self.secret_key_file,
            ),
            (
                "SECRET_KEY_PREVIOUS",
                &mut self.secret_key_previous,
                &mut self.secret_key_previous_file,
            ),
        ];
        for (name, value, file) in &mut pairs {
            if value.is_some() && file.is_some() {
                let id = name.to_lowercase();
                let is_flag = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
                match (is_flag(&id), is_flag(&format!("{id}_file"))) {
                    (true, false) => **file = None,
                    (false, true) => **value = None,
                    _ => {
                        return Err(format!(
                            "{name} and {name}_FILE are both set: leave one out \
                             (an empty variable undoes a line of .env)"
                        ));
                    }
                }
            }
            // An empty flag also stands for the default.
            **value = value
                .take()
                .filter(|value| !value.expose_secret().trim().is_empty());
        }
        Ok(self)
    }
}

/// A secret from a setting, or from the file that the setting called `name` names.
fn secret(
    value: Option<&SecretString>,
    name: &str,
    file: Option<&Path>,
) -> Result<Option<SecretString>, String> {
    let Some(file) = file else {
        return Ok(value.cloned());
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("{name} {} cannot be read: {error}", file.display()))?;
    match text.trim() {
        "" => Err(format!("{name} {} is empty", file.display())),
        secret => Ok(Some(secret.into())),
    }
}

/// Makes `command` ignore empty variables, except `CORS_ALLOW_ORIGIN`, where an empty value means
/// no origin.
#[must_use]
pub fn without_empty_variables(command: Command) -> Command {
    let is_ignored = |name: &OsStr| {
        name != "CORS_ALLOW_ORIGIN" && env::var_os(name).is_some_and(|value| value.is_empty())
    };
    command.mut_args(|arg| {
        if arg.get_env().is_some_and(is_ignored) {
            arg.env(Resettable::Reset)
        } else {
            arg
        }
    })
}

/// Adds the lines of `.env` in the working directory to the environment, without overriding
/// variables. The file may be absent.
///
/// # Errors
/// One line, when the file exists but cannot be read. The line quotes nothing of the file.
pub fn load_dotenv() -> Result<(), String> {
    match dotenvy::from_path(Path::new(".env")) {
        Ok(()) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(dotenvy::Error::Io(error)) => Err(format!(".env cannot be read: {error}")),
        Err(_) => {
            let number = number_of_bad_line();
            let place =
                number.map_or_else(|| "a line".to_owned(), |number| format!("line {number},"));
            Err(format!(
                ".env has {place} that is not NAME=value; put single quotes around values with spaces, $ or #"
            ))
        }
    }
}

/// The number of the first line of `.env` that is wrong: the one after the longest beginning that is
/// right. A value may have several lines.
fn number_of_bad_line() -> Option<usize> {
    let content = std::fs::read_to_string(".env").ok()?;
    let ends = content.split_inclusive('\n').scan(0, |end, line| {
        *end += line.len();
        Some(*end)
    });
    let is_right =
        |end| dotenvy::from_read_iter(&content.as_bytes()[..end]).all(|entry| entry.is_ok());
    let mut numbers = (1..).zip(ends);
    let right = numbers.by_ref().filter(|&(_, end)| is_right(end)).last();
    Some(right.map_or(1, |(number, _)| number + 1))
}
