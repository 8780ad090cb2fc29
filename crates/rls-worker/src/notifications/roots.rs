//! Certificates in, what mail servers and endpoints are believed by out.

use std::fmt;

use anyhow::Context as _;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Who vouches for servers: the public authorities, and what was added.
#[derive(Clone, Default)]
pub struct Roots {
    pem: Vec<u8>,
    added: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Adds the certificates of a PEM file to the public authorities.
    ///
    /// # Errors
    /// When it holds none.
    pub fn with(pem: Vec<u8>) -> anyhow::Result<Roots> {
        let added: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let added = added.context("the certificates are not PEM")?;
        anyhow::ensure!(!added.is_empty(), "there is no certificate in it");
        Ok(Roots { pem, added })
    }

    /// What a client of HTTPS goes by.
    pub(super) fn client(&self) -> anyhow::Result<ClientConfig> {
        let mut store: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        for certificate in &self.added {
            store.add(certificate.clone()).context("a certificate is no authority's")?;
        }
        let provider = crypto::ring::default_provider().into();
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(versions.with_root_certificates(store).with_no_client_auth())
    }

    /// What a client of a mail server of this name goes by.
    pub(super) fn mail(&self, host: &str) -> anyhow::Result<TlsParameters> {
        let mut parameters = TlsParameters::builder(host.to_owned());
        if !self.added.is_empty() {
            parameters = parameters.add_root_certificate(Certificate::from_pem(&self.pem)?);
        }
        parameters.build().context("TLS cannot be set up")
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").field("added", &self.added.len()).finish_non_exhaustive()
    }
}
