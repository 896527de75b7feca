//! Conditional requests during other changes of the same resource.

use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use super::{ITEM, PRODUCT, USER, delete_if, put_if, shop_of_three, tag};
use crate::harness::Shop;

#[tokio::test]
async fn exactly_one_of_many_concurrent_changes_to_one_state_succeeds() {
    let shop = Shop::open().await;
    shop.create_user("ada@example.com").await;
    shop.create_product("Moka pot").await;
    for round in 0..40 {
        for (path, property) in [(USER, "email"), (PRODUCT, "title")] {
            let tag = tag(&shop, path).await;
            let changes = (0..8)
                .map(|number| json!({property: format!("number{number}@round{round}.example")}));
            let changes: Vec<Value> = changes.collect();
            let all = changes
                .iter()
                .map(|changes| put_if(&shop, path, &tag, changes));
            let responses = join_all(all).await;
            let (winners, losers): (Vec<_>, Vec<_>) = responses
                .iter()
                .partition(|response| response.status == 200);
            assert_eq!(
                (winners.len(), losers.len()),
                (1, 7),
                "round {round}: {responses:?}"
            );
            for loser in losers {
                loser.error(412);
            }
            let stored = shop.get(path).await;
            assert_eq!(stored.expect(200), winners[0].expect(200));
            assert_eq!(stored.header("etag"), winners[0].header("etag"));
        }
    }
}

#[tokio::test]
async fn either_a_concurrent_change_or_a_deletion_succeeds() {
    let shop = Shop::open().await;
    for round in 0..40 {
        let id = shop.create_product("Moka pot").await;
        let path = format!("/api/products/{id}");
        let tag = tag(&shop, &path).await;
        let kettle = json!({"title": "Kettle"});
        let change = put_if(&shop, &path, &tag, &kettle);
        let (changed, deleted) = join(change, delete_if(&shop, &path, &tag)).await;
        match (changed.status.as_u16(), deleted.status.as_u16()) {
            (200, 412) => assert_eq!(shop.get(&path).await.expect(200)["title"], "Kettle"),
            (404, 200) => drop(shop.get(&path).await.error(404)),
            statuses => panic!("round {round}: {statuses:?}"),
        }
    }
}

/// A cart item is shown from three rows. The check of its condition waits for transactions that change
/// any of them, and sees their changes.
#[tokio::test]
async fn a_condition_waits_for_open_transactions() {
    for (path, row) in [
        (USER, "users SET role = 'ADMIN'"),
        (PRODUCT, "products SET title = 'Kettle'"),
        (ITEM, "users SET role = 'ADMIN'"),
        (ITEM, "products SET title = 'Kettle'"),
    ] {
        let shop = shop_of_three().await;
        let tag = tag(&shop, path).await;
        let (changed, is_changed) = tokio::sync::oneshot::channel();
        let change = shop.sql(move |session| {
            session.batch_execute("BEGIN").unwrap();
            session.batch_execute(&format!("UPDATE {row}")).unwrap();
            changed.send(()).unwrap();
            // Long enough for a deletion that does not wait.
            std::thread::sleep(Duration::from_millis(500));
            session.batch_execute("COMMIT").unwrap();
        });
        let deletion = async {
            is_changed.await.unwrap();
            delete_if(&shop, path, &tag).await
        };
        let (deleted, ()) = join(deletion, change).await;
        deleted.error(412);
        shop.get(path).await.expect(200);
    }
}
