//! The world over HTTP on loopback: GitHub's REST API on one listener, Azure Resource Manager and the managed
//! identity endpoint on another.

mod about;
mod addresses;
mod azure;
mod azure_preflight;
mod delivery;
mod foreign;
mod github;
mod github_app;
mod github_json;
mod github_webhooks;
pub(crate) mod message;
mod metadata;
mod parts;
mod repository_json;
mod runner;
mod scale_sets;
mod sim;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};

pub(crate) use azure::failure_message;
pub use azure::{CLIENT_ID, CLIENT_SECRET, IDENTITY_HEADER};
pub(crate) use github_app::InstallationToken;
pub use github_app::{APP_ID, APP_PRIVATE_KEY, INSTALLATION_ID};
pub use message::Exchange;
use message::{SimRequest, SimResponse};

use crate::fault::{CallFailure, CallFaults, CallTarget, CodedRefusal, Lag, Side};
use crate::odd_text;
use crate::world::World;

/// The time of day that the world is given.
pub type SimClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A world that answers over HTTP until this is dropped.
pub struct Served {
    /// The world.
    pub world: Arc<Mutex<World>>,
    /// GitHub's address.
    pub github: SocketAddr,
    /// Azure's address.
    pub azure: SocketAddr,
    exchanges: Arc<Mutex<Option<Vec<Exchange>>>>,
    state: Arc<ServedState>,
    _tasks: JoinSet<()>,
}

struct ServedState {
    world: Arc<Mutex<World>>,
    clock: SimClock,
    exchanges: Arc<Mutex<Option<Vec<Exchange>>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

impl Served {
    /// Serves a world on two free ports of loopback.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start(world: World, clock: SimClock) -> io::Result<Served> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::on(TcpListener::bind(any).await?, TcpListener::bind(any).await?, world, clock)
    }

    /// Serves a world on these listeners.
    ///
    /// # Errors
    /// If a listener has no address.
    pub fn on(github: TcpListener, azure: TcpListener, world: World, clock: SimClock) -> io::Result<Served> {
        let (at_github, at_azure) = (github.local_addr()?, azure.local_addr()?);
        let mut world = world;
        world.url = format!("http://{at_github}");
        let world = Arc::new(Mutex::new(world));
        let exchanges = Arc::new(Mutex::new(None));
        let state =
            Arc::new(ServedState { world: Arc::clone(&world), clock, exchanges: Arc::clone(&exchanges) });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(github, Arc::clone(&state), Side::Github, None));
        tasks.spawn(accept(azure, Arc::clone(&state), Side::Azure, None));
        tasks.spawn(tick(Arc::clone(&state)));
        Ok(Served { world, github: at_github, azure: at_azure, exchanges, state, _tasks: tasks })
    }

    /// The world, to read or to change it.
    pub fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    /// The URL of Azure's identity endpoint.
    pub fn identity_endpoint(&self) -> String {
        format!("http://{}/msi/token", self.azure)
    }

    /// An entry for connections from other networks. Call it inside a tokio runtime.
    pub fn ingress(&self) -> Ingress {
        Ingress { state: Arc::clone(&self.state), port: self.github.port(), runtime: Handle::current() }
    }

    /// Records every exchange with GitHub from now on.
    pub fn record(&self) {
        *locked(&self.exchanges) = Some(Vec::new());
    }

    /// The recorded exchanges.
    pub fn recorded(&self) -> Vec<Exchange> {
        locked(&self.exchanges).clone().unwrap_or_default()
    }
}

/// Lets time pass, and sends requests to webhooks.
async fn tick(state: Arc<ServedState>) {
    let mut deliveries = JoinSet::new();
    loop {
        tokio::time::sleep(Duration::from_millis(25)).await;
        let now = (state.clock)();
        let requests = {
            let mut world = locked(&state.world);
            world.advance(now);
            world.take_webhook_requests()
        };
        for request in requests {
            let state = Arc::clone(&state);
            deliveries.spawn(async move {
                let (took, code, status) = delivery::deliver(&request).await;
                locked(&state.world).delivered(request, now, took, code, status);
            });
        }
        while deliveries.try_join_next().is_some() {}
    }
}

/// Serves connections from other networks: of machines, or of a test that speaks TLS.
#[derive(Clone)]
pub struct Ingress {
    state: Arc<ServedState>,
    port: u16,
    runtime: Handle,
}

impl Ingress {
    /// The world.
    pub(crate) fn world(&self) -> &Mutex<World> {
        &self.state.world
    }

    /// GitHub's port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Serves one connection that the caller has accepted, as over TLS, until it ends. `base` is the address
    /// that the client used: `https://github.test:8443`.
    pub async fn serve<S>(&self, stream: S, side: Side, base: &str)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        talk(stream, Arc::clone(&self.state), side, Peer { base: base.into(), machine: None }, || ()).await;
    }

    /// Serves GitHub and the metadata service on a listener that only this VM can reach, until the returned
    /// handle is aborted.
    pub(crate) fn open(&self, listener: std::net::TcpListener, vm: &str) -> io::Result<AbortHandle> {
        let _inside = self.runtime.enter();
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let task = accept(listener, Arc::clone(&self.state), Side::Github, Some(vm.into()));
        Ok(self.runtime.spawn(task).abort_handle())
    }
}

/// Accepts connections. `machine` is the VM that all of them come from, if they come from one.
async fn accept(listener: TcpListener, state: Arc<ServedState>, side: Side, machine: Option<Arc<str>>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, Arc::clone(&state), side, machine.clone()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

type SimBody = BoxBody<Bytes, io::Error>;

/// The sender of a request, and the address that it used.
#[derive(Clone)]
struct Peer {
    base: Arc<str>,
    machine: Option<Arc<str>>,
}

/// Serves one connection. A fault resets it as a broken network does: `lingering` is a second handle to the
/// socket, through which its orderly end is turned off.
async fn connection(stream: TcpStream, state: Arc<ServedState>, side: Side, machine: Option<Arc<str>>) {
    let Ok(lingering) = stream.as_fd().try_clone_to_owned().map(socket2::Socket::from) else { return };
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let lingering = Arc::new(lingering);
    let socket = Arc::clone(&lingering);
    let peer = Peer { base: format!("http://{local}").into(), machine };
    let reset = move || {
        let _ = socket.set_linger(Some(Duration::ZERO));
    };
    talk(stream, state, side, peer, reset).await;
    drop(lingering);
}

async fn talk<S, R>(stream: S, state: Arc<ServedState>, side: Side, peer: Peer, reset: R)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    R: Fn() + Send + Sync + 'static,
{
    let reset = Arc::new(reset);
    let service = service_fn(move |request| {
        let (state, peer, reset) = (Arc::clone(&state), peer.clone(), Arc::clone(&reset));
        async move {
            let answer = match read(request, &peer).await {
                Some(asked) => respond(&state, side, asked).await,
                None => None,
            };
            if answer.is_none() {
                reset();
            }
            answer.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset))
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The response; `None` if the connection must be reset.
async fn respond(state: &ServedState, side: Side, mut asked: SimRequest) -> Option<Response<SimBody>> {
    let side = if side == Side::Azure && azure::is_sign_in(&asked.path) { Side::Identity } else { side };
    if side == Side::Github && asked.path.starts_with("/_sim/") {
        let mut world = locked(&state.world);
        world.advance((state.clock)());
        return Some(whole(sim::answer(&mut world, &asked)));
    }
    let metadata = metadata::answer(&locked(&state.world), &asked);
    if let Some(answer) = metadata {
        return Some(whole(answer));
    }
    let faults = {
        let mut world = locked(&state.world);
        world.advance((state.clock)());
        if side == Side::Github {
            addresses::settle(&world, &mut asked);
        }
        let is_of_vm = side == Side::Azure && asked.method == "PUT";
        let vm = if is_of_vm { serde_json::from_slice(&asked.body).unwrap_or_default() } else { Value::Null };
        world.call_faults(CallTarget { side, method: &asked.method, path: &asked.path, vm: &vm })
    };
    if !faults.latency.is_zero() {
        tokio::time::sleep(faults.latency).await;
    }
    let CallFaults { failure, stale, is_twice, is_odd, .. } = faults;
    let answer = match &failure {
        Some(CallFailure::Reset) => return None,
        Some(CallFailure::Page(page)) => return Some(whole(foreign::answer(*page))),
        Some(CallFailure::Status(status, retry_after)) => refusal(side, *status, *retry_after),
        Some(CallFailure::Refused(CodedRefusal { status, code, message })) => {
            SimResponse::json(*status, &json!({"error": {"code": code, "message": message}}))
        }
        _ => {
            let first = is_twice.then(|| act(state, side, &asked, stale));
            drop(first);
            match scale_sets::poll_token(&asked).filter(|_| side == Side::Github) {
                Some(token) => held(state, &asked, token).await,
                None => act(state, side, &asked, stale),
            }
        }
    };
    // Neither counts among the requests of the REST API.
    let is_of_runners = asked.is_of_runners(side);
    let is_of_service = side == Side::Github && scale_sets::is_for_service(&asked.path);
    let answer = if is_odd && !is_of_runners { odd_text::answer(answer) } else { answer };
    let answer = match side {
        Side::Github if !is_of_runners && !is_of_service => {
            github::with_limit(&mut locked(&state.world), answer)
        }
        Side::Github | Side::Azure | Side::Identity => answer,
    };
    if !is_of_runners {
        note(state, side, &asked, &answer);
    }
    match failure {
        Some(CallFailure::LostAnswer) => None,
        Some(CallFailure::Truncated) => Some(truncated(&answer)),
        _ => Some(whole(answer)),
    }
}

/// A poll for a message: held until there is one, or for as long as the service holds it.
async fn held(state: &ServedState, asked: &SimRequest, token: &str) -> SimResponse {
    let (hold, trouble) = {
        let mut world = locked(&state.world);
        (world.settings.poll_hold, scale_sets::poll_begins(&mut world, token))
    };
    if let Some(trouble) = trouble {
        return trouble;
    }
    let until = tokio::time::Instant::now() + hold;
    loop {
        let queue = locked(&state.world).queue_waits(token);
        let news = queue.as_ref().map(|queue| queue.notified());
        let answer = act(state, Side::Github, asked, Lag::default());
        let (202, Some(news)) = (answer.status, news) else { return answer };
        if tokio::time::timeout_at(until, news).await.is_err() {
            return answer;
        }
    }
}

fn act(state: &ServedState, side: Side, asked: &SimRequest, stale: Lag) -> SimResponse {
    let mut world = locked(&state.world);
    world.advance((state.clock)());
    match side {
        Side::Github if asked.is_of_runners(side) => runner::answer(&mut world, asked),
        Side::Github if scale_sets::is_for_service(&asked.path) => scale_sets::answer(&mut world, asked),
        Side::Github => github::answer(&mut world, asked, stale),
        Side::Azure => azure::answer(&mut world, asked, stale),
        Side::Identity => azure::sign_in(&mut world, asked),
    }
}

fn refusal(side: Side, status: u16, retry_after: Option<u64>) -> SimResponse {
    let message = match status {
        403 | 429 => {
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        }
        _ => "Server Error",
    };
    let answer = match side {
        Side::Github => SimResponse::json(status, &github_json::error(status, message)),
        Side::Azure | Side::Identity => {
            let code = if status == 429 { "OperationNotAllowed" } else { "InternalServerError" };
            SimResponse::json(status, &json!({"error": {"code": code, "message": message}}))
        }
    };
    match retry_after {
        Some(seconds) => answer.header("retry-after", seconds.to_string()),
        None => answer,
    }
}

fn note(state: &ServedState, side: Side, asked: &SimRequest, answer: &SimResponse) {
    let route = if answer.route.is_empty() { &asked.path } else { &answer.route };
    let bytes = answer.body.len() as u64;
    locked(&state.world).statistics.request(side, &asked.method, route, answer.status, bytes);
    if side == Side::Github
        && !scale_sets::is_for_service(&asked.path)
        && let Some(exchanges) = &mut *locked(&state.exchanges)
    {
        exchanges.push(Exchange {
            method: asked.method.clone(),
            path: asked.path.clone(),
            query: asked.query.clone(),
            request: asked.body.clone(),
            status: answer.status,
            response: answer.body.to_vec(),
        });
    }
}

async fn read(request: Request<Incoming>, peer: &Peer) -> Option<SimRequest> {
    let (head, body) = request.into_parts();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Some(SimRequest {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        numbered: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        base: base(&peer.base, text("host")),
        authorization: text("authorization"),
        if_none_match: text("if-none-match"),
        identity_header: text("x-identity-header"),
        metadata_header: text("metadata"),
        range: text("range"),
        max_capacity: text("x-scalesetmaxcapacity"),
        machine: peer.machine.as_deref().map(str::to_owned),
        body: Limited::new(body, 4 << 20).collect().await.ok()?.to_bytes().to_vec(),
    })
}

/// The address that the client used, with the scheme of its connection: links and operations lead back to it.
fn base(of_peer: &str, host: Option<String>) -> String {
    match (of_peer.split_once("://"), host) {
        (Some((scheme, _)), Some(host)) => format!("{scheme}://{host}"),
        _ => of_peer.to_owned(),
    }
}

fn head(answer: &SimResponse) -> hyper::http::response::Builder {
    let mut response = Response::builder().status(answer.status);
    if !answer.headers.iter().any(|(name, _)| name == "content-type") {
        response = response.header("content-type", "application/json; charset=utf-8");
    }
    answer.headers.iter().fold(response, |response, (name, value)| response.header(name, value))
}

fn whole(answer: SimResponse) -> Response<SimBody> {
    let response = head(&answer);
    let body = Full::new(answer.body).map_err(|never: Infallible| match never {}).boxed();
    response.body(body).unwrap_or_default()
}

/// Half of the response, and then an error.
fn truncated(answer: &SimResponse) -> Response<SimBody> {
    let response = head(answer).header("content-length", answer.body.len());
    let half = answer.body.slice(..answer.body.len() / 2);
    let broken = io::Error::from(io::ErrorKind::BrokenPipe);
    let parts = futures::stream::iter([Ok(Frame::data(half)), Err(broken)]);
    response.body(BodyExt::boxed(StreamBody::new(parts))).unwrap_or_default()
}
