//! A cluster's own certificate authority and what it signs.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority that can sign.
pub struct Ca(Issuer<'static, KeyPair>);

impl Ca {
    /// Makes all that a cluster's servers need in `dir`: authority, serving certificate, administrator, service-account keys.
    pub fn create(dir: &Path, service_ip: &str) {
        let key = KeyPair::generate().unwrap();
        let write = |file: &str, pem: &str| std::fs::write(dir.join(file), pem).unwrap();
        write("ca.crt", &authority().self_signed(&key).unwrap().pem());
        write("ca.key", &key.serialize_pem());

        let ca = Self::read(dir);
        let names =
            ["127.0.0.1", service_ip, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut params = CertificateParams::new(names.map(str::to_owned)).unwrap();
        params.distinguished_name = name("kube-apiserver", &[]);
        let (cert, key) = ca.sign(params, ExtendedKeyUsagePurpose::ServerAuth);
        write("apiserver.crt", &cert);
        write("apiserver.key", &key);
        let (cert, key) = ca.client("admin", &["system:masters"]);
        write("admin.crt", &cert);
        write("admin.key", &key);
        let key = KeyPair::generate().unwrap();
        write("sa.key", &key.serialize_pem());
        write("sa.pub", &key.public_key_pem());
    }

    /// The authority that was made in `dir`.
    pub fn read(dir: &Path) -> Self {
        let key = std::fs::read_to_string(dir.join("ca.key")).unwrap();
        Self(Issuer::new(authority(), KeyPair::from_pem(&key).unwrap()))
    }

    /// Certificate and key of a user, as PEM.
    pub fn client(&self, user: &str, groups: &[&str]) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(user, groups);
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        (cert.pem(), key.serialize_pem())
    }
}

/// What every authority's certificate says; they differ by their keys.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name = name("runbook-test-ca", &[]);
    params
}

fn name(common: &str, organisations: &[&str]) -> DistinguishedName {
    let mut dn = DistinguishedName::new();
    for o in organisations {
        dn.push(DnType::OrganizationName, *o);
    }
    dn.push(DnType::CommonName, common);
    dn
}
