//! From PEM files to configurations.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig, version};
use sha2::{Digest as _, Sha256};

use super::{ClientAuth, Configs, TlsOptions};
use crate::registry::folder;

/// The largest file, in bytes. A bundle of all authorities that browsers trust has a fifth of it.
const MAX_FILE: u64 = 1024 * 1024;

/// What may be agreed on over HTTP (RFC 7301), the better one first. Clients that speak HTTP/1.0
/// say so.
const HTTP_PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// The cryptography. Given explicitly: the default of the process is anybody's to set.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Reads all files.
///
/// # Errors
///
/// What is wrong, and with which file.
pub(super) fn load(options: &TlsOptions) -> anyhow::Result<Configs> {
    let provider = provider();
    let certified = certified_key(&provider, &options.cert, &options.key)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .context("no cipher suites for TLS 1.2 and 1.3")?;
    let builder = match &options.client_ca {
        Some(file) => builder.with_client_cert_verifier(verifier(provider, file, options.client_auth)?),
        None => builder.with_no_client_auth(),
    };
    let fingerprint = fingerprint(&certified);
    let mut raw = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    raw.session_storage = Arc::new(NoServerSessionStorage {});
    // What is sent early can be played again by others, and a plugin may do things that matter.
    raw.max_early_data_size = 0;
    if options.client_ca.is_none() {
        // Resumption without memory per client. The keys are this reading's and live for some hours.
        raw.ticketer = ring::Ticketer::new().context("no random numbers for session tickets")?;
    } else {
        // A session that is taken up again shows no certificate: one that has expired since, or whose
        // authority is trusted no longer, would go on being good.
        raw.send_tls13_tickets = 0;
    }
    let mut http = raw.clone();
    http.alpn_protocols = HTTP_PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    tracing::info!(file = %options.cert.display(), sha256 = fingerprint.as_str(), "TLS certificate read");
    Ok(Configs { http: Arc::new(http), raw: Arc::new(raw) })
}

/// The server's certificate and key, once they are known to belong together.
fn certified_key(provider: &CryptoProvider, cert: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let chain = certificates(cert)?;
    let private = private_key(key)?;
    let private = provider.key_provider.load_private_key(private).map_err(|error| {
        anyhow!(
            "the private key in {} cannot be used: expected RSA (2048 to 4096 bits), ECDSA (P-256, P-384) \
             or Ed25519: {error}",
            key.display()
        )
    })?;
    let certified = CertifiedKey::new(chain, private);
    match certified.keys_match() {
        // Where a kind of key does not tell, the first handshake will.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => bail!(
            "the private key in {} does not belong to the first certificate in {}",
            key.display(),
            cert.display()
        ),
        Err(error) => bail!("the first certificate in {} cannot be used: {error}", cert.display()),
    }
}

/// Decides on clients' certificates.
fn verifier(
    provider: Arc<CryptoProvider>,
    file: &Path,
    auth: ClientAuth,
) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates(file)?.into_iter().enumerate() {
        let number = index + 1;
        roots
            .add(certificate)
            .map_err(|error| anyhow!("certificate {number} in {} cannot be used: {error}", file.display()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match auth {
        ClientAuth::Required => builder,
        ClientAuth::Optional => builder.allow_unauthenticated(),
    };
    builder.build().with_context(|| format!("the certificates in {} cannot be used", file.display()))
}

/// All certificates of a file; at least one.
fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = read(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| malformed(file, &error))?;
    if certificates.is_empty() {
        let hint = if has_label(&text, "PRIVATE KEY") { "; it holds a private key" } else { "" };
        bail!(
            "there is no certificate in {}: expected PEM, with -----BEGIN CERTIFICATE-----{hint}",
            file.display()
        );
    }
    Ok(certificates)
}

/// The first private key of a file.
fn private_key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let text = read(file)?;
    // PKCS#8's own way, and the older one inside of RSA and EC keys (RFC 1421 section 4.6.1.1).
    if has_label(&text, "ENCRYPTED PRIVATE KEY") || contains(&text, b"Proc-Type: 4,ENCRYPTED") {
        bail!(
            "the private key in {} is encrypted: expected one without a passphrase \
             (openssl pkey -in ENCRYPTED -out PLAIN)",
            file.display()
        );
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        PemError::NoItemsFound => {
            let hint = if has_label(&text, "CERTIFICATE") { "; it holds a certificate" } else { "" };
            anyhow!(
                "there is no private key in {}: expected PEM, with -----BEGIN PRIVATE KEY-----, \
                 RSA PRIVATE KEY or EC PRIVATE KEY{hint}",
                file.display()
            )
        }
        error => malformed(file, &error),
    })
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", file.display());
    let opened = folder::open(file).with_context(cannot)?;
    folder::read_bounded(opened, MAX_FILE).with_context(cannot)
}

/// The library's texts show bytes as numbers.
fn malformed(file: &Path, error: &PemError) -> anyhow::Error {
    let reason = match error {
        PemError::MissingSectionEnd { .. } => "a section has no -----END line: is it written in full?",
        PemError::IllegalSectionStart { .. } => "a -----BEGIN line is malformed",
        PemError::Base64Decode(_) => "a section is not base64",
        _ => "it cannot be taken apart",
    };
    anyhow!("{} is not good PEM: {reason}", file.display())
}

/// Whether a section with this label begins somewhere, or one whose label ends like it.
fn has_label(text: &[u8], label: &str) -> bool {
    contains(text, format!("{label}-----").as_bytes())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// What `openssl x509 -fingerprint -sha256` says, without its colons.
fn fingerprint(certified: &CertifiedKey) -> String {
    let digest = certified.cert.first().map(Sha256::digest).unwrap_or_default();
    digest.iter().map(|byte| format!("{byte:02X}")).collect()
}
