//! The server for monitoring, beside that of the subcommand `serve`.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context as _;
use bytes::Bytes;
use poem::http::{Response, StatusCode};
use tokio::net::TcpListener;

use crate::api::Monitoring;
use crate::clients::{Network, Opening};
use crate::config::Settings;
use crate::server::{Application, MonitoringServer};

use super::BadSetting;

impl Application for Monitoring {
    fn reject(&self, status: StatusCode) -> Response<Bytes> {
        Monitoring::reject(status)
    }

    fn network(&self, _peer: IpAddr) -> Option<Network> {
        None
    }

    fn opening(&self, _peer: IpAddr) -> Opening {
        Opening::Request
    }

    fn announce_shutdown(&self) {}
}

/// Checks that the metrics have a port of their own: the port of the API is often open to everyone.
pub(super) fn check_address(settings: &Settings) -> Result<(), BadSetting> {
    let is_shared =
        |address: SocketAddr| address.port() != 0 && address.port() == settings.server_port;
    if settings.metrics_addr.is_some_and(is_shared) {
        let problem = "METRICS_ADDR has the port of SERVER_PORT: \
                       give it another one, such as 127.0.0.1:9464";
        return Err(BadSetting(problem.to_owned()));
    }
    Ok(())
}

/// Serves what monitoring systems read, beside the service.
pub(super) fn serve(listener: TcpListener, app: Monitoring) -> anyhow::Result<MonitoringServer> {
    let address = listener.local_addr().context("cannot read the port")?;
    let server = MonitoringServer::start(listener, app).context("cannot start threads")?;
    tracing::info!("metrics at http://{address}/metrics");
    Ok(server)
}
