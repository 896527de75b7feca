//! Tests with values that are generated from the schemas of the contract: written values are read back,
//! and an update changes only the properties that it contains.

mod passwords;
mod resources;
mod values;

use hyper::Method;
use serde_json::{Map, Value, json};

use crate::harness::{ClientResponse, JSON, Shop};
use resources::{Property, Resource, resources};
use values::{Samples, escaped};

/// A row of a resource, with the data and the tag that the service shows.
struct Row {
    path: String,
    shown: Value,
    tag: String,
}

impl Row {
    async fn create(shop: &Shop, resource: &Resource, draft: &Value) -> Self {
        let created = shop.post(&resource.list, draft).await;
        let shown = created.expect(201);
        let path = created.header("location").unwrap().to_owned();
        let tag = created.header("etag").unwrap().to_owned();
        let row = Self { path, shown, tag };
        row.check_stored(shop).await;
        row
    }

    /// Checks that a GET shows the same data with the same tag.
    async fn check_stored(&self, shop: &Shop) {
        let got = shop.get(&self.path).await;
        assert_eq!(got.expect(200), self.shown, "{}", self.path);
        assert_eq!(got.header("etag"), Some(&*self.tag), "{}", self.path);
    }

    /// Changes the row, and checks that it shows the new values and all other values unchanged.
    async fn change(&mut self, shop: &Shop, changes: &Value) {
        let response = shop.put(&self.path, changes).await;
        self.check_changed(&response, changes);
        self.check_stored(shop).await;
    }

    /// Checks that a response shows the changed values and all other values unchanged.
    fn check_changed(&mut self, response: &ClientResponse, changes: &Value) {
        let mut expected = self.shown.clone();
        for (name, value) in changes.as_object().unwrap() {
            if let Some(shown) = expected.get_mut(name) {
                *shown = value.clone();
            }
        }
        assert_eq!(response.expect(200), expected, "{} {changes}", self.path);
        let tag = response.header("etag").unwrap().to_owned();
        let is_same = expected == self.shown;
        assert_eq!(tag == self.tag, is_same, "the tag changes with the data");
        (self.shown, self.tag) = (expected, tag);
    }

    /// Checks that a change is rejected with the name of the property, and changes nothing.
    async fn rejects(&self, shop: &Shop, property: &Property, value: &Value) {
        let changes = json!({ &property.name: value });
        let rejected = shop.put(&self.path, &changes).await;
        check_names(&rejected, property, value);
        self.check_stored(shop).await;
    }
}

/// Checks that a response rejects exactly this property.
#[track_caller]
fn check_names(rejected: &ClientResponse, property: &Property, value: &Value) {
    let pointer = format!("/{} ", property.name);
    let violations = rejected.violations();
    let is_named = violations.len() == 1 && violations[0].starts_with(&pointer);
    let value: String = value.to_string().chars().take(80).collect();
    assert!(is_named, "{pointer}= {value}: {violations:?}");
}

/// The draft of a resource with this value for one property.
fn with_property(draft: &Value, name: &str, value: &Value) -> Value {
    let mut draft = draft.clone();
    draft[name] = value.clone();
    draft
}

#[tokio::test]
async fn created_values_are_read_back() {
    for resource in resources() {
        let shop = Shop::open_sample().await;
        let mut samples = Samples::default();
        let mut stored = Vec::new();
        for property in &resource.draft {
            for value in samples.valid(property) {
                let draft = with_property(&samples.draft(&resource.draft), &property.name, &value);
                let row = Row::create(&shop, &resource, &draft).await;
                for other in &resource.draft {
                    let sent = draft.get(&other.name).cloned().unwrap_or_default();
                    if other.is_shown {
                        assert_eq!(row.shown[&other.name], sent, "{}", other.name);
                    }
                }
                stored.push(row.shown);
            }
        }
        // The list begins with the rows of the sample shop.
        let list = shop.get(&resource.list).await.expect(200);
        let list = list.as_array().unwrap();
        assert_eq!(list[list.len() - stored.len()..], stored[..]);
    }
}

#[tokio::test]
async fn changed_values_are_read_back_and_nothing_else_changes() {
    for resource in resources()
        .iter()
        .filter(|resource| !resource.changes.is_empty())
    {
        let shop = Shop::open_sample().await;
        let mut samples = Samples::default();
        let draft = samples.whole_draft(&resource.draft);
        let mut row = Row::create(&shop, resource, &draft).await;
        for property in &resource.changes {
            for value in samples.valid(property) {
                let before = shop.sql(crate::harness::dump).await;
                row.change(&shop, &json!({ &property.name: value })).await;
                let after = shop.sql(crate::harness::dump).await;
                let others = before.iter().filter(|line| !after.contains(line)).count();
                assert!(others <= 1, "{}: other rows changed", property.name);
            }
            // A property that is absent or sent unchanged keeps its value.
            row.change(&shop, &json!({})).await;
            let shown = row.shown.clone();
            row.change(&shop, &shown).await;
        }
    }
}

/// Every combination of properties in one request.
#[tokio::test]
async fn an_update_of_any_combination_of_properties_changes_only_these() {
    for resource in resources()
        .iter()
        .filter(|resource| !resource.changes.is_empty())
    {
        let shop = Shop::open_sample().await;
        let mut samples = Samples::default();
        let draft = samples.whole_draft(&resource.draft);
        let mut row = Row::create(&shop, resource, &draft).await;
        for set in 0..1_u32 << resource.changes.len() {
            let properties = resource.changes.iter().enumerate();
            let chosen = properties.filter(|(index, _)| set & (1 << index) != 0);
            let changes: Map<String, Value> = chosen
                .map(|(_, property)| {
                    let shown = row.shown.get(&property.name).cloned();
                    let value = samples.another(property, &shown.unwrap_or_default());
                    (property.name.clone(), value)
                })
                .collect();
            row.change(&shop, &changes.into()).await;
        }
    }
}

#[tokio::test]
async fn values_that_the_schema_forbids_are_rejected_and_change_nothing() {
    for resource in resources() {
        let shop = Shop::open_sample().await;
        let mut samples = Samples::default();
        let draft = samples.whole_draft(&resource.draft);
        let row = Row::create(&shop, &resource, &draft).await;
        let before = shop.sql(crate::harness::dump).await;
        for property in &resource.draft {
            let draft = samples.draft(&resource.draft);
            for value in values::invalid(property) {
                let rejected = shop
                    .post(
                        &resource.list,
                        &with_property(&draft, &property.name, &value),
                    )
                    .await;
                check_names(&rejected, property, &value);
            }
            if property.is_required {
                let mut without = draft.clone();
                without.as_object_mut().unwrap().remove(&property.name);
                let rejected = shop.post(&resource.list, &without).await;
                check_names(&rejected, property, &Value::Null);
            }
        }
        for property in &resource.changes {
            for value in values::invalid(property) {
                row.rejects(&shop, property, &value).await;
            }
        }
        // The id may be sent unchanged, but not changed.
        if !resource.changes.is_empty() {
            let id = row.shown["id"].as_i64().unwrap();
            for other in [json!(id + 1), json!(1), json!(i32::MAX), json!(null)] {
                let rejected = shop.put(&row.path, &json!({ "id": other })).await;
                assert!(rejected.violations()[0].starts_with("/id "), "{other}");
            }
            row.check_stored(&shop).await;
        }
        assert_eq!(shop.sql(crate::harness::dump).await, before);
    }
}

/// All characters outside ASCII are escaped; those outside the basic multilingual plane as surrogate pairs.
#[tokio::test]
async fn escaped_characters_mean_the_same_as_the_characters() {
    for resource in resources() {
        let shop = Shop::open_sample().await;
        let mut samples = Samples::default();
        for property in resource.draft.iter().filter(|property| property.is_shown) {
            for value in samples.valid(property) {
                let draft = with_property(&samples.draft(&resource.draft), &property.name, &value);
                let body = escaped(&draft.to_string());
                let created = shop
                    .send(Method::POST, &resource.list, &[JSON], body.into())
                    .await;
                assert_eq!(created.expect(201)[&property.name], value);
            }
        }
    }
}

/// A tag covers everything that is shown, including nested rows: changing a row changes the tags of all
/// rows that show it.
#[tokio::test]
async fn a_tag_changes_with_each_property_that_is_shown() {
    let shop = Shop::open_sample().await;
    let mut samples = Samples::default();
    for resource in resources()
        .iter()
        .filter(|resource| !resource.changes.is_empty())
    {
        // The first cart item shows user 2 and product 1.
        let id = if resource.list.ends_with("users") {
            2
        } else {
            1
        };
        let path = format!("{}/{id}", resource.list);
        for property in &resource.changes {
            let tags = || async {
                let paths = [path.as_str(), "/api/cart/1"].into_iter();
                let mut tags = Vec::new();
                for path in paths {
                    tags.push(shop.get(path).await.header("etag").unwrap().to_owned());
                }
                tags
            };
            let shown = shop.get(&path).await.expect(200);
            let old = shown.get(&property.name).cloned().unwrap_or_default();
            let new = samples.another(property, &old);
            let before = tags().await;
            let name = &property.name;
            shop.put(&path, &json!({ name: new })).await.expect(200);
            let after = tags().await;
            let changed = before.iter().zip(&after).filter(|(old, new)| old != new);
            let expected = if property.is_shown { 2 } else { 0 };
            assert_eq!(changed.count(), expected, "{path} {name}");
            if property.is_shown {
                shop.put(&path, &json!({ name: old })).await.expect(200);
                assert_eq!(tags().await, before, "{path} {name}: the same data");
            }
        }
    }
}
