//! `azlin-simcloud`: the simulated GitHub and Azure as a program.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use azlin_simcloud::real::MachineSettings;
use azlin_simcloud::{IDENTITY_HEADER, Served, Workload, World};
use clap::Parser;
use jiff::Timestamp;
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio::net::TcpListener;

/// A simulated GitHub and Azure on loopback, to try azlin and for tests.
///
/// Prints its addresses as NAME=value lines for a shell, runs until SIGTERM or SIGINT, and then prints a
/// report of what happened as JSON.
#[derive(Parser)]
#[command(
    name = "azlin-simcloud",
    version,
    after_help = "Example:\n  azlin-simcloud --workload examples/burst.toml --seed 7"
)]
struct SimcloudArgs {
    /// Where GitHub listens. Azure and its identity endpoint take a free port on the same address.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Jobs and faults, as TOML.
    #[arg(long, value_name = "FILE")]
    workload: Option<PathBuf>,
    /// The random seed, in place of the workload's.
    #[arg(long)]
    seed: Option<u64>,
    /// The token that GitHub accepts, in place of the workload's.
    #[arg(long)]
    token: Option<String>,
    /// Run each VM as a real machine of this root, booted by systemd-nspawn. Needs root.
    #[arg(long, value_name = "ROOT")]
    machines: Option<PathBuf>,
    /// Copy the files in this folder into each real machine before it boots.
    #[arg(long, value_name = "DIR", requires = "machines")]
    overlay: Option<PathBuf>,
    /// Remove what killed simclouds left of their machines, and exit.
    #[arg(long, exclusive = true)]
    sweep: bool,
    /// Where to write the report, in place of standard output.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = SimcloudArgs::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended =
        runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(run(arguments)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "azlin-simcloud: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: SimcloudArgs) -> Result<(), String> {
    if arguments.sweep {
        return azlin_simcloud::real::sweep().map(drop).map_err(|error| error.to_string());
    }
    if !arguments.listen.ip().is_loopback() {
        return Err(format!("{} is not on loopback, and simcloud listens nowhere else", arguments.listen));
    }
    let mut workload = match &arguments.workload {
        None => Workload::default(),
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Workload::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
    };
    workload.settings.seed = arguments.seed.or(workload.settings.seed);
    workload.settings.token = arguments.token.or(workload.settings.token);
    let bind = async |address: SocketAddr| {
        TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))
    };
    let github = bind(arguments.listen).await?;
    let azure = bind(SocketAddr::new(arguments.listen.ip(), 0)).await?;
    let world = World::new(&workload, Timestamp::now());
    let token = world.settings.token.clone();
    let served =
        Served::on(github, azure, world, Arc::new(Timestamp::now)).map_err(|error| error.to_string())?;
    let mut signals =
        signal_hook::iterator::Signals::new([SIGTERM, SIGINT]).map_err(|error| error.to_string())?;
    let settings =
        |root: &PathBuf| MachineSettings { root: root.clone(), overlay: arguments.overlay.clone() };
    let machines = arguments.machines.as_ref().map(|root| served.with_machines(settings(root)));
    let machines = machines.transpose().map_err(|error| format!("machines cannot be made: {error}"))?;
    let mut out = std::io::stdout();
    let printed = writeln!(
        out,
        "GITHUB_URL=http://{}\nAZURE_URL=http://{}\nIDENTITY_ENDPOINT={}\nIDENTITY_HEADER={IDENTITY_HEADER}\nGITHUB_TOKEN={token}",
        served.github,
        served.azure,
        served.identity_endpoint()
    );
    printed.and_then(|()| out.flush()).map_err(|error| error.to_string())?;
    let stopped = tokio::task::spawn_blocking(move || signals.forever().next());
    stopped.await.map_err(|error| error.to_string())?;
    let gone = tokio::task::spawn_blocking(move || drop(machines));
    gone.await.map_err(|error| error.to_string())?;
    let report = serde_json::to_string_pretty(&served.world().report()).map_err(|error| error.to_string())?;
    match &arguments.report {
        Some(path) => {
            std::fs::write(path, report + "\n").map_err(|error| format!("{}: {error}", path.display()))
        }
        None => writeln!(out, "{report}").map_err(|error| error.to_string()),
    }
}
