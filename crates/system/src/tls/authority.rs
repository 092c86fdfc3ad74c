//! The authority that signs for intercepted hosts: made at once, kept in a folder of its own, trusted and
//! removed by hand.
//!
//! RFC 5280. Anyone who has its key can pretend to be any host towards a computer that trusts it. So the key
//! is this recorder's alone, can be read by its owner only, never leaves its folder, and the authority
//! ends after thirty days.
//!
//! Invariant: a key that others can read is not used.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use automend_core::command::{Shell, quoted};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::private_file::{self, Readable};
use automend_core::display::plain;

/// The certificate, for those who shall trust it.
pub const CERTIFICATE: &str = "automend-trace-ca.pem";
/// The key.
const KEY: &str = "automend-trace-ca-key.pem";
/// Before the key stands until when the authority is good (RFC 7468 2 allows text there).
const GOOD_UNTIL: &str = "Good until: ";
/// How long an authority is good; a leaf is good for less.
const DAYS: i32 = 30;
const LEAF_DAYS: i32 = 30;
/// A new authority is made so long before the old one ends.
const SPARE_DAYS: i32 = 7;
/// Hosts whose certificates are kept.
const MOST_HOSTS: usize = 1024;

/// The authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// The same as PEM.
    pub pem: String,
    /// What systems show it as.
    pub name: String,
    /// Its last day.
    pub until: Date,
    /// Where the certificate is.
    pub path: PathBuf,
    /// Whether it was made just now.
    pub is_new: bool,
    /// One key is enough for all leaves of one recording.
    leaf: KeyPair,
    today: Date,
    servers: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl Authority {
    /// Opens the authority in a folder, or makes one.
    pub fn open(folder: &Path, now: Timestamp) -> Result<Self> {
        make_private(folder).with_context(|| format!("making {}", folder.display()))?;
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let key_path = folder.join(KEY);
        private_file::check_folder(folder)?;
        let found = if key_path.symlink_metadata().is_ok() {
            let advice = "remove it, and the trust in its certificate, and start again";
            let text = private_file::read(&key_path, "the key", Readable::Refused)
                .with_context(|| advice)?;
            Some(read_key(&text).with_context(|| format!("reading {}", key_path.display()))?)
        } else {
            None
        };
        let path = folder.join(CERTIFICATE);
        let still_good = |until: Date| until > today.saturating_add(SPARE_DAYS.days());
        if let Some((key, until)) = found.filter(|(_, until)| still_good(*until))
            && let Ok(pem) = fs::read_to_string(&path)
        {
            return Self::new(key, until, today, path, Some(pem));
        }
        let until = today.saturating_add(DAYS.days());
        let key = KeyPair::generate().context("making a key")?;
        write_private(
            &key_path,
            &format!("{GOOD_UNTIL}{until}\n{}", key.serialize_pem()),
        )
        .with_context(|| format!("writing {}", key_path.display()))?;
        let made = Self::new(key, until, today, path, None)?;
        fs::write(&made.path, &made.pem)
            .with_context(|| format!("writing {}", made.path.display()))?;
        Ok(made)
    }

    fn new(
        key: KeyPair,
        until: Date,
        today: Date,
        path: PathBuf,
        pem: Option<String>,
    ) -> Result<Self> {
        let mut params = CertificateParams::default();
        // The name follows from the key, so a removed authority is never taken for its successor.
        let digits = params.key_identifier(&key);
        let digits: [u8; 4] = std::array::from_fn(|at| digits.get(at).copied().unwrap_or(0));
        let name = format!("automend trace {:08x}", u32::from_be_bytes(digits));
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, name.clone());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, today, until);
        let is_new = pem.is_none();
        let (certificate, pem) = if let Some(pem) = pem {
            let der = CertificateDer::from_pem_slice(pem.as_bytes());
            let der = der.with_context(|| format!("reading {}", path.display()))?;
            (der, pem)
        } else {
            let made = params.self_signed(&key).context("making the authority")?;
            (made.der().clone(), made.pem())
        };
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
            pem,
            name,
            until,
            path,
            is_new,
            leaf: KeyPair::generate().context("making a key")?,
            today,
            servers: Mutex::default(),
        })
    }

    /// What to be this host with.
    pub fn server(&self, host: &str) -> Result<Arc<ServerConfig>> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = servers.get(host) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(self.make(host)?);
        if servers.len() >= MOST_HOSTS {
            servers.clear();
        }
        servers.insert(host.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    fn make(&self, host: &str) -> Result<ServerConfig> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = if bare.parse::<IpAddr>().is_ok() {
            bare
        } else {
            host
        };
        let mut params = CertificateParams::new([name.to_owned()])
            .with_context(|| format!("a certificate for {host:?}"))?;
        params.distinguished_name = DistinguishedName::new();
        // A common name has 64 characters at most (RFC 5280 A.1); the alternative name counts.
        params.distinguished_name.push(
            DnType::CommonName,
            name.chars().take(64).collect::<String>(),
        );
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        set_validity(
            &mut params,
            self.today,
            self.until.min(self.today.saturating_add(LEAF_DAYS.days())),
        );
        let leaf = params
            .signed_by(&self.leaf, &self.issuer)
            .with_context(|| format!("a certificate for {host:?}"))?;
        let key = PrivateKeyDer::try_from(self.leaf.serialize_der())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("setting up TLS")?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone(), self.certificate.clone()], key)
            .context("setting up TLS")?;
        // A login belongs to a connection in HTTP/1.1, and nowhere else.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// How to trust it and how to be rid of it.
    pub fn instructions(&self) -> String {
        let path = self.path.to_string_lossy();
        let command = |words: &[&str], shell| {
            let words = words.iter().map(|word| quoted(word, shell));
            words.collect::<Vec<_>>().join(" ")
        };
        let windows = |words: &[&str]| command(words, Shell::PowerShell);
        let posix = |words: &[&str]| command(words, Shell::Posix);
        let installed = "/usr/local/share/ca-certificates/automend-trace.crt";
        format!(
            "The authority {name:?} signs for the hosts that are looked into; it ends on {until}.\n\
             Its certificate is {shown}\n\
             To trust it, for this user and only while you record:\n\
             \x20 Windows   {trust_windows}\n\
             \x20 Debian    {trust_debian} && update-ca-certificates\n\
             \x20 macOS     security add-trusted-cert -k ~/Library/Keychains/login.keychain-db {trust_mac}\n\
             \x20 Firefox   Settings, Certificates, Authorities, Import\n\
             To remove it afterwards:\n\
             \x20 Windows   {remove_windows}\n\
             \x20 Debian    rm {installed} && update-ca-certificates --fresh\n\
             \x20 macOS     {remove_mac}\n\
             \x20 Firefox   Settings, Certificates, Authorities, Delete\n\
             \x20 and delete the folder {folder}",
            name = self.name,
            shown = plain(&path),
            until = self.until,
            trust_windows = windows(&["certutil", "-user", "-addstore", "Root", &path]),
            trust_debian = posix(&["cp", "--", &path, installed]),
            trust_mac = quoted(&path, Shell::Posix),
            remove_windows = windows(&["certutil", "-user", "-delstore", "Root", &self.name]),
            remove_mac = posix(&["security", "delete-certificate", "-c", &self.name]),
            folder = plain(self.path.parent().unwrap_or(Path::new(".")).display()),
        )
    }
}

/// From the day before, as clocks differ.
fn set_validity(params: &mut CertificateParams, today: Date, until: Date) {
    let from = today.saturating_sub(1.day());
    let day = |date: Date| {
        date_time_ymd(
            i32::from(date.year()),
            u8::try_from(date.month()).unwrap_or(1),
            u8::try_from(date.day()).unwrap_or(1),
        )
    };
    params.not_before = day(from);
    params.not_after = day(until);
}

/// The key, and until when its authority is good.
fn read_key(text: &[u8]) -> Result<(KeyPair, Date)> {
    let text = std::str::from_utf8(text)?;
    let (head, _) = text
        .split_once("-----BEGIN")
        .context("there is no key in it")?;
    let until = head.lines().find_map(|line| line.strip_prefix(GOOD_UNTIL));
    let until: Date = until
        .context("it does not say until when it is good")?
        .trim()
        .parse()?;
    let pem = text.get(head.len()..).unwrap_or_default();
    Ok((KeyPair::from_pem(pem)?, until))
}

#[cfg(unix)]
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)
}

/// Writes a file that no one else can read, from its first moment on.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private_file::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_authority_is_kept_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("inside");
        let first = Authority::open(&folder, at("2026-01-01T00:00:00Z")).unwrap();
        assert!(first.is_new);
        assert_eq!(first.until.to_string(), "2026-01-31");
        let again = Authority::open(&folder, at("2026-01-23T00:00:00Z")).unwrap();
        assert!(!again.is_new);
        assert_eq!(
            (again.pem, again.name),
            (first.pem.clone(), first.name.clone())
        );
        let next = Authority::open(&folder, at("2026-01-25T00:00:00Z")).unwrap();
        assert!(next.is_new && next.name != first.name);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let now = at("2026-01-01T00:00:00Z");
        Authority::open(folder.path(), now).unwrap();
        let key = folder.path().join(KEY);
        assert_eq!(
            fs::metadata(&key).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(
            private_file::create_new(&key).is_err(),
            "a file was begun over another"
        );
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Authority::open(folder.path(), now).err().unwrap();
        assert!(format!("{refused:#}").contains("can be read by others"));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let refused = Authority::open(folder.path(), now).err().unwrap();
        assert!(
            refused
                .to_string()
                .contains("others may write in the folder")
        );
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Authority::open(folder.path(), now).is_ok());
    }

    #[test]
    fn a_host_gets_a_certificate_that_the_authority_vouches_for() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), at("2026-01-01T00:00:00Z")).unwrap();
        for host in [
            "autodiscover.contoso.com",
            "192.0.2.1",
            "[2001:db8::1]",
            &format!("{}.test", "a".repeat(63)),
        ] {
            authority
                .server(host)
                .unwrap_or_else(|error| panic!("{host}: {error:#}"));
        }
        assert!(authority.server("not a host\u{e9}").is_err());
    }
}
