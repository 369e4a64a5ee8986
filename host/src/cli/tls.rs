//! Flags for TLS.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use crate::server::{ClientAuth, Tls, TlsOptions};

/// Certificate, key, and who may come.
#[derive(Args, Debug)]
pub(super) struct TlsArgs {
    /// Certificate of the server, PEM, with those between it and the authority behind it: all of
    /// --listen that does not say http:// or unix: is HTTPS then. TLS 1.2 and 1.3. The files are read again
    /// when they change: new connections get the new certificate, and a bad one changes nothing
    #[arg(long, value_name = "FILE", env = "WASMPLEX_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of that certificate, PEM (PKCS#8, PKCS#1 or SEC1), without a passphrase
    #[arg(long, value_name = "FILE", env = "WASMPLEX_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Authorities, PEM, whose certificates clients must show
    #[arg(long, value_name = "FILE", env = "WASMPLEX_TLS_CLIENT_CA", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Whether clients without a certificate are refused, where --tls-client-ca is given; one that is
    /// shown must be good in any case
    #[arg(
        long,
        value_enum,
        value_name = "required|optional",
        hide_possible_values = true,
        default_value_t = Auth::Required,
        env = "WASMPLEX_TLS_CLIENT_AUTH",
        requires = "tls_client_ca"
    )]
    tls_client_auth: Auth,
}

/// Whether a client's certificate is needed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Auth {
    Required,
    Optional,
}

impl From<Auth> for ClientAuth {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::Required => Self::Required,
            Auth::Optional => Self::Optional,
        }
    }
}

impl TlsArgs {
    /// Whether TLS is asked for.
    pub(super) const fn is_on(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// Reads the files, if TLS is asked for.
    ///
    /// # Errors
    ///
    /// See [`Tls::load`].
    pub(super) fn load(&self) -> anyhow::Result<Option<Arc<Tls>>> {
        let (Some(cert), Some(key)) = (self.tls_cert.clone(), self.tls_key.clone()) else {
            return Ok(None);
        };
        let client_ca = self.tls_client_ca.clone();
        let options = TlsOptions { cert, key, client_ca, client_auth: self.tls_client_auth.into() };
        Tls::load(&options).map(Some)
    }
}
