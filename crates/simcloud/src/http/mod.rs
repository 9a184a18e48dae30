//! The world over HTTP on loopback: GitHub's REST API on one listener, Azure Resource Manager and
//! the managed identity endpoint on another.

mod about;
mod answer;
mod azure;
mod azure_survey;
mod courier;
mod github;
mod github_app;
mod github_hooks;
mod github_json;
mod parts;
mod repository_json;
mod runner;
mod sim;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};

pub use answer::Exchange;
use answer::{Answer, Ask};
pub use azure::IDENTITY_HEADER;
pub(crate) use azure::told_of;
pub use github_app::{APP_ID, APP_PRIVATE_KEY, INSTALLATION_ID};

use crate::fault::{Call, Failure, Lag, Side, Weather};
use crate::world::World;

/// The time of day, as the world is given it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A world that answers over HTTP until this is dropped.
pub struct Served {
    /// The world.
    pub world: Arc<Mutex<World>>,
    /// Where GitHub is.
    pub github: SocketAddr,
    /// Where Azure is.
    pub azure: SocketAddr,
    exchanges: Arc<Mutex<Option<Vec<Exchange>>>>,
    face: Arc<Face>,
    _tasks: JoinSet<()>,
}

struct Face {
    world: Arc<Mutex<World>>,
    clock: Clock,
    exchanges: Arc<Mutex<Option<Vec<Exchange>>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Served {
    /// Serves a world on two free ports of loopback.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(world: World, clock: Clock) -> io::Result<Served> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::on(TcpListener::bind(any).await?, TcpListener::bind(any).await?, world, clock)
    }

    /// Serves a world on these listeners.
    ///
    /// # Errors
    /// When a listener has no address.
    pub fn on(github: TcpListener, azure: TcpListener, world: World, clock: Clock) -> io::Result<Served> {
        let (at_github, at_azure) = (github.local_addr()?, azure.local_addr()?);
        let mut world = world;
        world.url = format!("http://{at_github}");
        let world = Arc::new(Mutex::new(world));
        let exchanges = Arc::new(Mutex::new(None));
        let face = Arc::new(Face { world: Arc::clone(&world), clock, exchanges: Arc::clone(&exchanges) });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(github, Arc::clone(&face), Side::Github, None));
        tasks.spawn(accept(azure, Arc::clone(&face), Side::Azure, None));
        tasks.spawn(tick(Arc::clone(&face)));
        Ok(Served { world, github: at_github, azure: at_azure, exchanges, face, _tasks: tasks })
    }

    /// The world, for a look or a change.
    pub fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    /// Where tokens for Azure are to be had.
    pub fn identity_endpoint(&self) -> String {
        format!("http://{}/msi/token", self.azure)
    }

    /// A way in for machines. Must be called on a runtime of tokio.
    pub fn door(&self) -> Door {
        Door { face: Arc::clone(&self.face), port: self.github.port(), runtime: Handle::current() }
    }

    /// Keeps every exchange with GitHub from now on.
    pub fn record(&self) {
        *locked(&self.exchanges) = Some(Vec::new());
    }

    /// What was kept.
    pub fn recorded(&self) -> Vec<Exchange> {
        locked(&self.exchanges).clone().unwrap_or_default()
    }
}

/// Lets time go by, and tells webhooks what has happened.
async fn tick(face: Arc<Face>) {
    let mut couriers = JoinSet::new();
    loop {
        tokio::time::sleep(Duration::from_millis(25)).await;
        let now = (face.clock)();
        let letters = {
            let mut world = locked(&face.world);
            world.advance(now);
            world.letters()
        };
        for letter in letters {
            let face = Arc::clone(&face);
            couriers.spawn(async move {
                let (took, code, status) = courier::deliver(&letter).await;
                locked(&face.world).delivered(letter, now, took, code, status);
            });
        }
        while couriers.try_join_next().is_some() {}
    }
}

/// Lets machines in that have a network of their own.
#[derive(Clone)]
pub struct Door {
    face: Arc<Face>,
    port: u16,
    runtime: Handle,
}

impl Door {
    /// The world.
    pub(crate) fn world(&self) -> &Mutex<World> {
        &self.face.world
    }

    /// GitHub's port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Answers on one connection that somebody else has accepted, as over TLS, until it ends. `base` is
    /// where the client found this side: `https://github.test:8443`.
    pub async fn serve<S>(&self, stream: S, side: Side, base: &str)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        talk(stream, Arc::clone(&self.face), side, Caller { base: base.into(), machine: None }, || ()).await;
    }

    /// Serves GitHub on a listener to which only this VM has access, until the answer is aborted.
    pub(crate) fn open(&self, listener: std::net::TcpListener, vm: &str) -> io::Result<AbortHandle> {
        let _inside = self.runtime.enter();
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let task = accept(listener, Arc::clone(&self.face), Side::Github, Some(vm.into()));
        Ok(self.runtime.spawn(task).abort_handle())
    }
}

/// `machine` is the VM that all connections come from, where they come from one.
async fn accept(listener: TcpListener, face: Arc<Face>, side: Side, machine: Option<Arc<str>>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, Arc::clone(&face), side, machine.clone()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

type Body = BoxBody<Bytes, io::Error>;

/// Who asks, and where it found what it asks.
#[derive(Clone)]
struct Caller {
    base: Arc<str>,
    machine: Option<Arc<str>>,
}

/// A connection that a fault ends is reset, as a failing network does it: `lingering` is a second
/// handle to the socket, through which it is told not to end in an orderly way.
async fn connection(stream: TcpStream, face: Arc<Face>, side: Side, machine: Option<Arc<str>>) {
    let Ok(lingering) = stream.as_fd().try_clone_to_owned().map(socket2::Socket::from) else { return };
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let lingering = Arc::new(lingering);
    let socket = Arc::clone(&lingering);
    let caller = Caller { base: format!("http://{local}").into(), machine };
    let reset = move || {
        let _ = socket.set_linger(Some(Duration::ZERO));
    };
    talk(stream, face, side, caller, reset).await;
    drop(lingering);
}

async fn talk<S, R>(stream: S, face: Arc<Face>, side: Side, caller: Caller, reset: R)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    R: Fn() + Send + Sync + 'static,
{
    let reset = Arc::new(reset);
    let service = service_fn(move |request| {
        let (face, caller, reset) = (Arc::clone(&face), caller.clone(), Arc::clone(&reset));
        async move {
            let answer = match read(request, &caller).await {
                Some(ask) => respond(&face, side, ask).await,
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

/// The answer, or `None` where the connection is to be reset.
async fn respond(face: &Face, side: Side, ask: Ask) -> Option<Response<Body>> {
    let side = if ask.path == "/msi/token" { Side::Identity } else { side };
    if side == Side::Github && ask.path.starts_with("/_sim/") {
        let mut world = locked(&face.world);
        world.advance((face.clock)());
        return Some(whole(sim::answer(&mut world, &ask)));
    }
    let weather = {
        let mut world = locked(&face.world);
        world.advance((face.clock)());
        world.weather(Call { side, method: &ask.method, path: &ask.path })
    };
    if !weather.latency.is_zero() {
        tokio::time::sleep(weather.latency).await;
    }
    let Weather { failure, stale, is_twice, .. } = weather;
    let answer = match &failure {
        Some(Failure::Reset) => return None,
        Some(Failure::Status(status, retry_after)) => refusal(side, *status, *retry_after),
        _ => {
            let first = is_twice.then(|| act(face, side, &ask, stale));
            drop(first);
            act(face, side, &ask, stale)
        }
    };
    let is_of_runners = ask.is_of_runners(side);
    let answer = match side {
        Side::Github if !is_of_runners => github::with_limit(&locked(&face.world), answer),
        Side::Github | Side::Azure | Side::Identity => answer,
    };
    if !is_of_runners {
        note(face, side, &ask, &answer);
    }
    match failure {
        Some(Failure::LostAnswer) => None,
        Some(Failure::Truncated) => Some(truncated(&answer)),
        _ => Some(whole(answer)),
    }
}

fn act(face: &Face, side: Side, ask: &Ask, stale: Lag) -> Answer {
    let mut world = locked(&face.world);
    world.advance((face.clock)());
    match side {
        Side::Github if ask.is_of_runners(side) => runner::answer(&mut world, ask),
        Side::Github => github::answer(&mut world, ask, stale),
        Side::Azure => azure::answer(&mut world, ask, stale),
        Side::Identity => azure::identity(&mut world, ask),
    }
}

fn refusal(side: Side, status: u16, retry_after: Option<u64>) -> Answer {
    let message = match status {
        403 | 429 => {
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        }
        _ => "Server Error",
    };
    let answer = match side {
        Side::Github => Answer::json(status, &github_json::error(status, message)),
        Side::Azure | Side::Identity => {
            let code = if status == 429 { "OperationNotAllowed" } else { "InternalServerError" };
            Answer::json(status, &serde_json::json!({"error": {"code": code, "message": message}}))
        }
    };
    match retry_after {
        Some(seconds) => answer.header("retry-after", seconds.to_string()),
        None => answer,
    }
}

fn note(face: &Face, side: Side, ask: &Ask, answer: &Answer) {
    let route = if answer.route.is_empty() { &ask.path } else { &answer.route };
    let bytes = answer.body.len() as u64;
    locked(&face.world).ledger.request(side, &ask.method, route, answer.status, bytes);
    if side == Side::Github
        && let Some(exchanges) = &mut *locked(&face.exchanges)
    {
        exchanges.push(Exchange {
            method: ask.method.clone(),
            path: ask.path.clone(),
            query: ask.query.clone(),
            request: ask.body.clone(),
            status: answer.status,
            response: answer.body.to_vec(),
        });
    }
}

async fn read(request: Request<Incoming>, caller: &Caller) -> Option<Ask> {
    let (head, body) = request.into_parts();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Some(Ask {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        base: caller.base.to_string(),
        authorization: text("authorization"),
        if_none_match: text("if-none-match"),
        identity_header: text("x-identity-header"),
        range: text("range"),
        machine: caller.machine.as_deref().map(str::to_owned),
        body: Limited::new(body, 4 << 20).collect().await.ok()?.to_bytes().to_vec(),
    })
}

fn head(answer: &Answer) -> hyper::http::response::Builder {
    let mut response = Response::builder().status(answer.status);
    if !answer.headers.iter().any(|(name, _)| name == "content-type") {
        response = response.header("content-type", "application/json; charset=utf-8");
    }
    answer.headers.iter().fold(response, |response, (name, value)| response.header(name, value))
}

fn whole(answer: Answer) -> Response<Body> {
    let response = head(&answer);
    let body = Full::new(answer.body).map_err(|never: Infallible| match never {}).boxed();
    response.body(body).unwrap_or_default()
}

/// Half of the answer, and then an end that is none.
fn truncated(answer: &Answer) -> Response<Body> {
    let response = head(answer).header("content-length", answer.body.len());
    let half = answer.body.slice(..answer.body.len() / 2);
    let broken = io::Error::from(io::ErrorKind::BrokenPipe);
    let parts = futures::stream::iter([Ok(Frame::data(half)), Err(broken)]);
    response.body(BodyExt::boxed(StreamBody::new(parts))).unwrap_or_default()
}
