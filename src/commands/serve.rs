//! The subcommand `serve`: listens, prepares the database, and serves until a signal stops it.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use poem::http::{HeaderValue, Response, StatusCode};
use sd_notify::NotifyState;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use crate::api::authentication::{Authentication, Mode};
use crate::api::hosts::Hosts;
use crate::api::rates::Quotas;
use crate::api::validation::Validation;
use crate::api::{self, Monitoring, Pipeline};
use crate::clients::{self, Network, Opening};
use crate::config::{AuthMode, ContractValidation, Settings};
use crate::db::session::Session;
use crate::db::{Database, check, limits, migrations, seed};
use crate::deadlines;
use crate::embedded::Embedded;
use crate::memory;
use crate::metrics::Connections;
use crate::passwords;
use crate::server::{self, Application, Hangups, KeyPair, Limits, Tls};

use super::database::{require_tables, unusable_password_hash};
use super::target::Target;
use super::{BadSetting, keys, logging, monitoring};

/// How often the program checks that the private MariaDB still runs.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The file in the data directory that records that the sample shop was filled in once. With this
/// file, a shop that was emptied stays empty.
const SAMPLE_SHOP_DONE: &str = "sample-shop-done";

impl Application for Pipeline {
    fn reject(&self, status: StatusCode) -> Response<Bytes> {
        Pipeline::reject(self, status)
    }

    fn network(&self, peer: IpAddr) -> Option<Network> {
        Pipeline::network(self, peer)
    }

    fn opening(&self, peer: IpAddr) -> Opening {
        Pipeline::opening(self, peer)
    }

    fn metrics_of_connections(&self) -> Connections {
        Pipeline::metrics_of_connections(self)
    }

    fn announce_shutdown(&self) {
        Pipeline::announce_shutdown(self);
    }
}

/// Serves until SIGTERM or Ctrl-C.
///
/// # Errors
/// When a setting is bad, the port is taken, the database cannot be reached or its tables do not
/// fit, or the private MariaDB ends by itself.
pub fn serve(settings: &Settings) -> anyhow::Result<()> {
    let api_settings = api_settings(settings)?;
    monitoring::check_address(settings)?;
    let tls = load_tls(settings)?;
    if !settings.legacy_passwords {
        passwords::refuse_plain_text();
    }
    // Dropped last, so that lines that are logged during the shutdown are written, too.
    let _log = logging::start(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("cannot start threads")?;
    let outcome = runtime.block_on(run(settings.clone(), api_settings, tls));
    // Does not wait for threads that still block, for example in an attempt to connect. The private
    // MariaDB notices by itself that its parent is gone.
    runtime.shutdown_background();
    outcome
}

/// The settings of the service. Without `SECRET_KEY` they have random keys.
fn api_settings(settings: &Settings) -> anyhow::Result<api::Settings> {
    let cors = settings.cors_allow_origin.parse();
    let cors = cors.map_err(|error| BadSetting(format!("CORS_ALLOW_ORIGIN: {error}")))?;
    let validation = match settings.contract_validation {
        ContractValidation::Off => Validation::Off,
        ContractValidation::Warn => Validation::Warn(settings.contract_validation_sample),
        ContractValidation::Enforce => Validation::Enforce,
    };
    let hosts = match settings
        .allowed_hosts
        .as_deref()
        .filter(|names| !names.trim().is_empty())
    {
        Some(names) => names
            .parse()
            .map_err(|error| BadSetting(format!("ALLOWED_HOSTS: {error}")))?,
        None if settings.server_host.is_loopback() => Hosts::Loopback,
        None => Hosts::Any,
    };
    let mode = auth_mode(settings)?;
    let given = keys::given(settings)?;
    let is_embedded = settings.database_url().map_err(BadSetting)?.is_none();
    if mode == Mode::Required && given.is_none() && !is_embedded {
        // A key of this process alone would end every session at each restart, and on every other replica.
        return Err(BadSetting(
            "AUTH_MODE=required with DATABASE_URL needs SECRET_KEY, the same for every replica; make one with: \
             openssl rand -base64 32"
                .to_owned(),
        )
        .into());
    }
    let authentication = Authentication {
        mode,
        keys: Arc::new(given.map_or_else(keys::random, Ok)?),
    };
    let clients = clients::Rules::parse(&settings.address_limit_exempt, &settings.trusted_proxies)
        .and_then(|rules| rules.with_proxy_protocol(settings.proxy_protocol))
        .map_err(BadSetting)?;
    let quotas = [
        settings.rate_limit_login.as_deref(),
        settings.rate_limit_sign_up.as_deref(),
        settings.rate_limit_writes.as_deref(),
        settings.rate_limit_rows.as_deref(),
    ];
    let quotas =
        Quotas::parse(quotas, authentication.mode == Mode::Required).map_err(BadSetting)?;
    Ok(api::Settings {
        authentication,
        quotas,
        clients,
        cors,
        hosts,
        validation,
        max_operations: usize::from(settings.database_pool_size) * api::OPERATIONS_PER_CONNECTION,
        body_memory: usize::from(settings.body_memory) * 1024 * 1024,
        hsts: hsts(settings),
    })
}

/// The value of `Strict-Transport-Security` for clients that use HTTPS.
fn hsts(settings: &Settings) -> Option<HeaderValue> {
    let seconds = settings.hsts_max_age()?;
    HeaderValue::try_from(format!("max-age={seconds}")).ok()
}

/// Whether callers have to authenticate themselves. Elsewhere than on this machine, that nobody has to must
/// be said.
fn auth_mode(settings: &Settings) -> Result<Mode, BadSetting> {
    match settings.auth_mode {
        Some(AuthMode::Required) => Ok(Mode::Required),
        Some(AuthMode::Off) => Ok(Mode::Off),
        None if settings.server_host.is_loopback() => Ok(Mode::Off),
        None => Err(BadSetting(format!(
            "SERVER_HOST {} can be reached from elsewhere: set AUTH_MODE=required, or AUTH_MODE=off if \
             everyone who reaches it may do everything",
            settings.server_host
        ))),
    }
}

/// Reads the certificate and its key; `None` without TLS.
fn load_tls(settings: &Settings) -> Result<Option<Tls>, BadSetting> {
    let Some((cert, key)) = settings.tls_files().map_err(BadSetting)? else {
        return Ok(None);
    };
    let files = KeyPair {
        cert: cert.to_owned(),
        key: key.to_owned(),
    };
    let tls = Tls::load(files, hsts(settings)).map_err(BadSetting)?;
    Ok(Some(tls))
}

async fn run(
    settings: Settings,
    mut api_settings: api::Settings,
    tls: Option<Tls>,
) -> anyhow::Result<()> {
    let hangups = Hangups::listen();
    if let Some(warning) = tls.as_ref().and_then(Tls::warning) {
        tracing::warn!("{warning}");
    }
    let address = SocketAddr::new(settings.server_host, settings.server_port);
    let listener = listen(address, "SERVER_PORT", "SERVER_HOST and SERVER_PORT").await?;
    let address = listener.local_addr().context("cannot read the port")?;
    let monitoring = Monitoring::default();
    // Dropped last, so that the shutdown can be observed.
    let _monitoring_server = match settings.metrics_addr {
        Some(address) => {
            let listener = listen(address, "METRICS_ADDR", "METRICS_ADDR").await?;
            Some(monitoring::serve(listener, monitoring.clone())?)
        }
        None => None,
    };
    if api_settings.authentication.mode == Mode::Off && !address.ip().is_loopback() {
        tracing::warn!("AUTH_MODE=off: everyone who reaches this server may do everything");
    }

    // One future for the start and for serving, so that no signal between the two is lost.
    let mut stop_signal = pin!(async {
        server::shutdown_signal().await;
        tell_supervisor(NotifyState::Stopping);
    });
    let target = tokio::select! {
        // Polls the branches in order, so that signals are handled before anything is started.
        biased;
        () = &mut stop_signal => return Ok(()),
        target = prepare_on_blocking_thread(settings.clone()) => target?,
    };

    let limits = deadlines::Limits::of(Duration::from_secs(settings.request_timeout.into()));
    let db = Database::with_limits(
        &target.url.async_opts(),
        settings.database_pool_size.into(),
        settings.database_list_pool_size.into(),
        limits,
    );
    if keys::given(&settings)?.is_none() {
        if target.embedded.is_some() {
            let keys = keys::in_data_directory(&settings.data_dir)?;
            api_settings.authentication.keys = Arc::new(keys);
        } else {
            tracing::info!("no SECRET_KEY: sessions end when this process ends");
        }
    }
    // Before the first request, so that no session is accepted that has ended before.
    db.watch_sessions().await;
    let app = api::service(&db, api_settings);
    monitoring.show(&db, &app);
    memory::return_when_freed().context("cannot start threads")?;
    let database = if target.embedded.is_some() {
        "the private MariaDB at "
    } else {
        ""
    };
    tracing::info!("serving {database}{}; stop with Ctrl-C", target.url);
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!(
        "listening on {scheme}://{address}, documentation at {scheme}://{address}/api/docs"
    );
    tell_supervisor(NotifyState::Ready);
    let client_limits = Limits {
        shutdown_delay: Duration::from_secs(settings.shutdown_delay.into()),
        shutdown_grace: limits.shutdown,
        address_connections: settings.address_connections.into(),
        ..Limits::default()
    };
    let watching = server::keep_current(tls.clone(), hangups);
    let serving = async {
        tokio::select! {
            () = server::serve_until_signal(listener, app, tls, client_limits, stop_signal) => {}
            () = watching => {}
        }
    };
    let Some(embedded) = target.embedded else {
        serving.await;
        return Ok(());
    };
    tokio::select! {
        () = serving => Ok(()),
        end = wait_for_exit(embedded) => Err(anyhow!("the private MariaDB ended by itself: {end}")),
    }
}

/// Tells systemd about the state, if it waits for that (`Type=notify`).
fn tell_supervisor(state: NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot notify the supervisor, whose socket is in NOTIFY_SOCKET");
    }
}

/// Listens at `address`, whose port is in the setting `port`, and all of it in `settings`.
async fn listen(address: SocketAddr, port: &str, settings: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => anyhow!(
                "port {} on {} is in use: stop what uses it, or set {port}",
                address.port(),
                address.ip()
            ),
            _ => anyhow!("cannot listen on {address}: {error}; see {settings}"),
        })
}

/// Runs [`prepare`] on a thread that may block.
async fn prepare_on_blocking_thread(settings: Settings) -> anyhow::Result<Target> {
    tokio::task::spawn_blocking(move || prepare(&settings))
        .await
        .context("preparing the database")?
}

/// Prepares the database; blocks the thread. Waits for a database that is not up yet. Starts and migrates the private MariaDB, and fills it on
/// its first start. Migrates another database only if `MIGRATE_ON_START` is set. Checks the tables
/// of any database.
fn prepare(settings: &Settings) -> anyhow::Result<Target> {
    if settings.database_url().map_err(BadSetting)?.is_none() {
        tracing::info!(data_dir = %settings.data_dir.display(), "no DATABASE_URL: starting a private MariaDB");
    }
    let target = Target::open(settings)?;
    let mut session = target.connect_when_up(settings, |waiting| tracing::warn!("{waiting}"))?;
    if target.embedded.is_some() || settings.migrate_on_start {
        for name in migrations::run(&mut session)? {
            tracing::info!(name, "applied a migration");
        }
    }
    if target.embedded.is_some() {
        offer_sample_shop(settings, &mut session)?;
    }
    require_tables(&mut session, &target.url)?;
    if settings.auth_mode == Some(AuthMode::Required) {
        require_migrations(&mut session)?;
    }
    for warning in check::warnings(&mut session)? {
        tracing::warn!("{warning}");
    }
    let (requests, lists) = (
        settings.database_pool_size,
        settings.database_list_pool_size,
    );
    if let Some(warning) = limits::warning(&mut session, requests, lists)? {
        tracing::warn!("{warning}");
    }
    Ok(target)
}

/// Checks that every migration is applied: authentication needs the tables that the program adds to those of
/// a shop.
fn require_migrations(session: &mut Session) -> anyhow::Result<()> {
    let pending: Vec<String> = migrations::status(session)?
        .into_iter()
        .filter(|migration| !migration.applied)
        .map(|migration| migration.name)
        .collect();
    if pending.is_empty() {
        return Ok(());
    }
    Err(anyhow!(
        "AUTH_MODE=required needs tables that this database lacks: run `ecommerce-api migrate run` \
         (pending: {})",
        pending.join(", ")
    ))
}

fn offer_sample_shop(settings: &Settings, session: &mut Session) -> anyhow::Result<()> {
    let done = settings.data_dir.join(SAMPLE_SHOP_DONE);
    if done.exists() {
        return Ok(());
    }
    let hash = unusable_password_hash()?;
    if seed::sample_shop(session, hash.expose_secret())? {
        tracing::info!("filled in a sample shop; nobody knows its users' random password");
    }
    fs::write(&done, "").with_context(|| format!("cannot write {}", done.display()))
}

/// Waits until the private MariaDB ends by itself, and returns the reason. Dropping this future
/// stops the private MariaDB.
async fn wait_for_exit(mut embedded: Embedded) -> String {
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        if let Some(end) = embedded.exit_report() {
            return end;
        }
    }
}
