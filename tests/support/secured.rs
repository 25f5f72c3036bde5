//! A broker that is reached over TLS, with a password.
//!
//! Invariant: its authority is made for it alone, so that no machine trusts it unless it is told to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::kafka::{Kafka, Listener};

/// What the broker knows its one user by.
pub(crate) const USER: &str = "yinliu";
pub(crate) const PASSWORD: &str = "kaixin-9";

/// A broker, and how it is reached from outside.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) kafka: Kafka,
    /// For `bootstrap.servers`.
    pub(crate) brokers: String,
    /// The certificate of the authority, as PEM.
    pub(crate) authority: PathBuf,
}

impl Secured {
    /// Takes as long as another broker, and a second for the keys.
    pub(crate) fn start() -> Self {
        let (kafka, port) = Kafka::start_with(|folder| {
            make_keys(folder);
            let user = format!("SCRAM-SHA-256=[name={USER},password={PASSWORD}]");
            Listener { name: "SASL_SSL", settings: settings(folder), format: vec!["--add-scram".to_owned(), user] }
        });
        let authority = kafka.folder().join("authority.pem");
        Self { kafka, brokers: format!("127.0.0.1:{port}"), authority }
    }

    /// `kafka.options` for its user with this password.
    pub(crate) fn options(&self, password: &str) -> serde_json::Value {
        serde_json::json!({
            "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": USER,
            "sasl.password": password, "ssl.ca.location": self.authority,
        })
    }
}

fn settings(folder: &Path) -> Vec<(String, String)> {
    let listener = "listener.name.sasl_ssl";
    let jaas = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    [
        (format!("{listener}.sasl.enabled.mechanisms"), "SCRAM-SHA-256".to_owned()),
        (format!("{listener}.scram-sha-256.sasl.jaas.config"), jaas.to_owned()),
        (format!("{listener}.ssl.keystore.location"), folder.join("keys.p12").display().to_string()),
        (format!("{listener}.ssl.keystore.type"), "PKCS12".to_owned()),
        (format!("{listener}.ssl.keystore.password"), PASSWORD.to_owned()),
    ]
    .to_vec()
}

/// A key with a certificate that it signed itself, and that certificate alone.
fn make_keys(folder: &Path) {
    let keytool = |words: &[&str]| {
        let mut command = Command::new("keytool");
        command.current_dir(folder).args(words);
        command.args(["-alias", "broker", "-keystore", "keys.p12", "-storetype", "PKCS12", "-storepass", PASSWORD]);
        let output = command.output().expect("a JDK has keytool beside java");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        output.stdout
    };
    let names = ["-dname", "CN=broker", "-ext", "san=ip:127.0.0.1", "-ext", "bc=ca:true"];
    keytool(&[&["-genkeypair", "-keyalg", "EC", "-validity", "2"], &names[..]].concat());
    fs::write(folder.join("authority.pem"), keytool(&["-exportcert", "-rfc"])).unwrap();
}
