//! Passwords are stored only as hashes.

use std::collections::BTreeMap;

use argon2::{Argon2, PasswordHash, PasswordVerifier};
use serde_json::json;

use super::values::Samples;
use super::{Row, resources, with_property};
use crate::harness::Shop;

/// Each written password has a hash of its own that verifies it.
#[tokio::test]
async fn a_password_is_stored_as_a_hash_that_verifies() {
    for resource in resources() {
        let secrets = resource
            .draft
            .iter()
            .filter(|property| property.is_secret());
        for property in secrets {
            let shop = Shop::open_sample().await;
            let mut samples = Samples::default();
            let mut hashes = BTreeMap::new();
            let values = samples.valid(property);
            let draft = samples.whole_draft(&resource.draft);
            let changed = Row::create(&shop, &resource, &draft).await;
            for value in values {
                let draft = with_property(&samples.draft(&resource.draft), &property.name, &value);
                let created = Row::create(&shop, &resource, &draft).await;
                let body = json!({ &property.name: value });
                shop.put(&changed.path, &body).await.expect(200);
                for path in [&created.path, &changed.path] {
                    let hash = stored_hash(&shop, path).await;
                    check_hash(&hash, value.as_str().unwrap());
                    assert!(
                        hashes.insert(hash, path.clone()).is_none(),
                        "each hash has its own salt"
                    );
                }
            }
            let before = stored_hash(&shop, &changed.path).await;
            for other in resource
                .changes
                .iter()
                .filter(|property| !property.is_secret())
            {
                let shown = &changed.shown[&other.name];
                let body = json!({ &other.name: samples.another(other, shown) });
                shop.put(&changed.path, &body).await.expect(200);
                assert_eq!(
                    stored_hash(&shop, &changed.path).await,
                    before,
                    "the hash is unchanged"
                );
            }
        }
    }
}

#[track_caller]
fn check_hash(hash: &str, text: &str) {
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    assert!(!hash.contains(text), "the text is stored");
    let parsed = PasswordHash::new(hash).unwrap();
    let verify = |text: &str| Argon2::default().verify_password(text.as_bytes(), &parsed);
    assert!(verify(text).is_ok(), "{text:?}");
    assert!(verify(&format!("{text}x")).is_err(), "{text:?}");
}

/// The password column of the user at `path`.
async fn stored_hash(shop: &Shop, path: &str) -> String {
    #[derive(diesel::QueryableByName)]
    struct Stored {
        #[diesel(sql_type = diesel::sql_types::Text)]
        password: String,
    }
    let id = path.rsplit('/').next().unwrap();
    let sql = format!("SELECT password FROM users WHERE id = {id}");
    let mut rows = shop
        .sql(move |session| session.load::<Stored>(&sql).unwrap())
        .await;
    rows.remove(0).password
}
