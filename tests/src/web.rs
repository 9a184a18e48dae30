//! The simulated cloud over HTTPS, by name, at the other end of a network cable. A daemon on a machine uses
//! it like the real GitHub and Azure, and loses it with its link.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use azlin_simcloud::fault::Side;
use azlin_simcloud::{Ingress, Served};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// GitHub's name.
const GITHUB: &str = "github.test";
/// Azure's name, and that of its identity endpoint.
const AZURE: &str = "azure.test";
/// The name under which a client on this host finds both.
pub const LOCALHOST: &str = "localhost";

/// A simulated cloud over HTTPS, until this is dropped.
pub struct Web {
    /// The certificate that a client must trust, as PEM.
    pub certificate: String,
    address: Ipv4Addr,
    github: u16,
    azure: u16,
    _tasks: JoinSet<()>,
}

impl Web {
    /// Serves a cloud at this address of this host.
    ///
    /// # Panics
    /// When the address cannot be listened on.
    pub async fn open(served: &Served, address: Ipv4Addr) -> Web {
        let key = KeyPair::generate().expect("a key can be made");
        // Valid since a long time ago: a client's clock may be slow.
        let params = CertificateParams::new([GITHUB, AZURE, LOCALHOST].map(str::to_owned)).expect("names");
        let certificate = params.self_signed(&key).expect("a certificate can be made");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("it has the usual versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("the key is the certificate's");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut tasks = JoinSet::new();
        let mut ports = [0; 2];
        for (port, (side, name)) in ports.iter_mut().zip([(Side::Github, GITHUB), (Side::Azure, AZURE)]) {
            let listener = TcpListener::bind((address, 0)).await.expect("the address is this host's");
            *port = listener.local_addr().as_ref().map(SocketAddr::port).expect("it is bound");
            let base = format!("https://{name}:{port}").into();
            tasks.spawn(accept(listener, acceptor.clone(), served.ingress(), side, base));
        }
        Web { certificate: certificate.pem(), address, github: ports[0], azure: ports[1], _tasks: tasks }
    }

    /// The lines for `/etc/hosts`.
    pub fn hosts(&self) -> String {
        format!("{} {GITHUB} {AZURE}\n", self.address)
    }

    /// GitHub's API.
    pub fn github(&self) -> String {
        format!("https://{GITHUB}:{}", self.github)
    }

    /// Azure Resource Manager.
    pub fn azure(&self) -> String {
        self.azure_at(AZURE)
    }

    /// Azure Resource Manager, and Entra ID, under this name.
    pub fn azure_at(&self, name: &str) -> String {
        format!("https://{name}:{}", self.azure)
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, ingress: Ingress, side: Side, base: Arc<str>) {
    let mut connections = JoinSet::new();
    loop {
        // A failure affects one connection only, and its client notices.
        if let Ok((stream, _)) = listener.accept().await {
            let (acceptor, ingress, base) = (acceptor.clone(), ingress.clone(), Arc::clone(&base));
            connections.spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    ingress.serve(stream, side, &base).await;
                }
            });
        }
        while connections.try_join_next().is_some() {}
    }
}
