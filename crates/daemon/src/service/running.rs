//! A running daemon, with its background tasks.

use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Endpoints, Service, ServiceError};
use crate::fleet_set::Fleets;
use crate::http::{WebhookHandler, watch_doors};
use crate::questions::{Answerer, Desk, QuestionSocket};
use crate::run::Daemon;

/// How long after the third missed poll a fleet counts as stuck.
const GRACE: Duration = Duration::from_secs(60);

/// The daemon between two changes of `azlin.toml`.
pub(super) struct RunningDaemon {
    /// Its loops.
    pub(super) task: JoinHandle<()>,
    /// Changes its fleets.
    pub(super) fleets: Fleets,
    /// Ends its loops.
    pub(super) stop: CancellationToken,
    servers: Vec<JoinHandle<()>>,
    supervisor: JoinHandle<()>,
    status_file: Option<JoinHandle<()>>,
}

impl RunningDaemon {
    /// Starts a daemon with the configuration that is in force.
    pub(super) fn start(service: &Service, endpoints: &Endpoints, answerer: Answerer) -> Self {
        let (config, stop) = (service.reloader.daemon(), service.stop.child_token());
        let (context, store) = (&endpoints.context, &service.status_store);
        let daemon = Daemon::new(
            config,
            service.reloader.fleets(),
            context.clone(),
            service.state.clone(),
            store.clone(),
            stop.clone(),
        );
        let (fleets, own) = (daemon.fleets(), &service.this_daemon);
        let status_file = service.status_file.clone();
        let status_file =
            status_file.map(|file| tokio::spawn(file.keep(store.clone(), own.clone(), context.clone())));
        let supervisor = service.supervisor.clone();
        let supervisor = tokio::spawn(supervisor.keep(
            store.clone(),
            fleets.clone(),
            daemon.first_looks(),
            daemon.liveness(),
        ));
        let runtime_dir =
            service.questions.as_ref().map_or(Path::new("/run/azlin"), QuestionSocket::directory);
        let desk = Desk {
            config_dir: service.config_dir.clone(),
            runtime_dir: runtime_dir.to_owned(),
            config: config.clone(),
            fleets: fleets.clone(),
            context: context.clone(),
            state: service.state.clone(),
            answerer,
        };
        let (patience, hosts) = (config.poll_queue * 3 + GRACE, config.hosts.clone());
        let operators = daemon.operators_listener(own.clone(), patience, hosts, Some(desk.clone()));
        let github = WebhookHandler::new(endpoints.webhook.clone(), daemon.trigger_router(), store);
        let mut servers =
            endpoints.listeners.serve(&operators, github, &service.passed_sockets, store, context);
        servers.push(tokio::spawn(watch_doors(operators.doors(), store.clone(), context.clone())));
        servers.extend(service.questions.clone().map(|socket| tokio::spawn(socket.serve(desk))));
        let task = tokio::spawn(daemon.run());
        RunningDaemon { task, fleets, stop, servers, supervisor, status_file }
    }

    /// Waits until the loops have ended, or until the limit. Afterwards nothing answers.
    pub(super) async fn end(mut self, too_long: impl Future<Output = ()>) -> Result<(), ServiceError> {
        tokio::select! {
            ended = &mut self.task => ended.map_err(ServiceError::Panicked)?,
            () = too_long => warn!("what is under way does not end and is cut off; the next start takes it up"),
        }
        self.supervisor.abort();
        self.servers.iter().for_each(JoinHandle::abort);
        if let Some(file) = self.status_file {
            // A write that has begun would outlive it.
            file.abort();
            let _ = file.await;
        }
        Ok(())
    }
}
