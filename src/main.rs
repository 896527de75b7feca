//! stub
fn main() {
    ecommerce_api::commands::openapi(ecommerce_api::commands::Document::Generated).unwrap()
}
