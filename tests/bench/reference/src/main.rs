//! A simple implementation of five operations, with which `just bench` compares the service: it uses
//! poem-openapi's own `Json`, the default pool of diesel-async, a `Vec` of rows, and one statement after
//! the other. The pool size and the build profile are those of the service.
//!
//! Takes DATABASE_URL and SERVER_PORT from the environment, and RECYCLING=fast, with which the pool does
//! not test a connection with a statement before each use.

mod tables;

use std::env;
use std::sync::Arc;
use std::time::Instant;

use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};
use poem::error::{InternalServerError, NotFoundError};
use poem::http::uri::Scheme;
use poem::listener::{Acceptor, TcpAcceptor};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Result, Route, Server};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::{ParseFromJSON, ToJSON};
use poem_openapi::{ApiResponse, Object, OpenApi, OpenApiService};
use tokio::net::{TcpListener, TcpStream};

use tables::{cart, products, users};

/// The default of DATABASE_POOL_SIZE.
const POOL_SIZE: usize = 16;

diesel::define_sql_function! {
    fn last_insert_id() -> diesel::sql_types::Integer;
}

#[derive(Object, Queryable, Selectable)]
struct User {
    id: i32,
    email: String,
    role: String,
}

#[derive(Object, Queryable, Selectable)]
struct Product {
    id: i32,
    title: String,
    image_url: Option<String>,
    description: Option<String>,
}

#[derive(Object)]
struct CartItem {
    id: i32,
    user_id: i32,
    product_id: i32,
    user: User,
    product: Product,
}

#[derive(Object)]
struct UserCartItem {
    id: i32,
    user_id: i32,
    product_id: i32,
    product: Product,
}

#[derive(Object)]
struct CartItemDraft {
    user_id: i32,
    product_id: i32,
}

#[derive(Object)]
struct Pagination {
    page: i64,
    limit: i64,
    total: i64,
}

#[derive(Object)]
struct Envelope<T: ParseFromJSON + ToJSON> {
    success: bool,
    data: T,
    #[oai(skip_serializing_if_is_none)]
    pagination: Option<Pagination>,
    message: String,
}

fn success<T: ParseFromJSON + ToJSON>(data: T, message: &str) -> Json<Envelope<T>> {
    Json(Envelope {
        success: true,
        data,
        pagination: None,
        message: message.to_owned(),
    })
}

#[derive(ApiResponse)]
enum Added {
    #[oai(status = 201)]
    Created(Json<Envelope<CartItem>>),
    #[oai(status = 409)]
    Conflict,
}

fn not_found(error: DieselError) -> poem::Error {
    match error {
        DieselError::NotFound => NotFoundError.into(),
        error => InternalServerError(error),
    }
}

struct Shop {
    pool: Pool<AsyncMysqlConnection>,
}

impl Shop {
    async fn connection(&self) -> Result<Object<AsyncMysqlConnection>> {
        self.pool.get().await.map_err(InternalServerError)
    }
}

#[OpenApi]
impl Shop {
    #[oai(path = "/", method = "get")]
    async fn root(&self) -> Json<Envelope<String>> {
        success(env!("CARGO_PKG_NAME").to_owned(), "Welcome")
    }

    #[oai(path = "/api/products", method = "get")]
    async fn list_products(
        &self,
        page: Query<Option<i64>>,
        limit: Query<Option<i64>>,
    ) -> Result<Json<Envelope<Vec<Product>>>> {
        let mut conn = self.connection().await?;
        let all = products::table
            .select(Product::as_select())
            .order(products::id);
        if page.is_none() && limit.is_none() {
            let rows = all.load(&mut conn).await.map_err(InternalServerError)?;
            return Ok(success(rows, "Products"));
        }
        let (page, limit) = (page.unwrap_or(1), limit.unwrap_or(10));
        let total = products::table.count().get_result(&mut conn).await;
        let total = total.map_err(InternalServerError)?;
        let rows = all.limit(limit).offset((page - 1) * limit);
        let rows = rows.load(&mut conn).await.map_err(InternalServerError)?;
        let mut response = success(rows, "Products");
        response.0.pagination = Some(Pagination { page, limit, total });
        Ok(response)
    }

    #[oai(path = "/api/products/:id", method = "get")]
    async fn get_product(&self, id: Path<i32>) -> Result<Json<Envelope<Product>>> {
        let mut conn = self.connection().await?;
        let product = products::table.find(id.0).select(Product::as_select());
        let product = product.first(&mut conn).await.map_err(not_found)?;
        Ok(success(product, "Product found"))
    }

    #[oai(path = "/api/users/:id/cart", method = "get")]
    async fn get_user_cart(&self, id: Path<i32>) -> Result<Json<Envelope<Vec<UserCartItem>>>> {
        let mut conn = self.connection().await?;
        let user = users::table.find(id.0).select(users::id);
        user.first::<i32>(&mut conn).await.map_err(not_found)?;
        let rows: Vec<((i32, i32, i32), Product)> = cart::table
            .inner_join(products::table)
            .filter(cart::user_id.eq(id.0))
            .select((cart::all_columns, Product::as_select()))
            .order(cart::id)
            .load(&mut conn)
            .await
            .map_err(InternalServerError)?;
        let items = rows
            .into_iter()
            .map(|((id, user_id, product_id), product)| UserCartItem {
                id,
                user_id,
                product_id,
                product,
            })
            .collect();
        Ok(success(items, "Cart items"))
    }

    #[oai(path = "/api/cart", method = "get")]
    async fn list_cart_items(&self) -> Result<Json<Envelope<Vec<CartItem>>>> {
        let mut conn = self.connection().await?;
        let rows: Vec<((i32, i32, i32), User, Product)> = cart::table
            .inner_join(users::table)
            .inner_join(products::table)
            .select((cart::all_columns, User::as_select(), Product::as_select()))
            .order(cart::id)
            .load(&mut conn)
            .await
            .map_err(InternalServerError)?;
        let items = rows
            .into_iter()
            .map(|((id, user_id, product_id), user, product)| CartItem {
                id,
                user_id,
                product_id,
                user,
                product,
            })
            .collect();
        Ok(success(items, "Cart items"))
    }

    #[oai(path = "/api/cart", method = "post")]
    async fn add_cart_item(&self, draft: Json<CartItemDraft>) -> Result<Added> {
        let CartItemDraft {
            user_id,
            product_id,
        } = draft.0;
        let mut conn = self.connection().await?;
        let user = users::table.find(user_id).select(User::as_select());
        let user = user.first(&mut conn).await.optional();
        let product = products::table
            .find(product_id)
            .select(Product::as_select());
        let product = product.first(&mut conn).await.optional();
        let (Some(user), Some(product)) = (
            user.map_err(InternalServerError)?,
            product.map_err(InternalServerError)?,
        ) else {
            return Ok(Added::Conflict);
        };
        diesel::insert_into(cart::table)
            .values((cart::user_id.eq(user_id), cart::product_id.eq(product_id)))
            .execute(&mut conn)
            .await
            .map_err(InternalServerError)?;
        let id = diesel::select(last_insert_id()).get_result(&mut conn).await;
        let item = CartItem {
            id: id.map_err(InternalServerError)?,
            user_id,
            product_id,
            user,
            product,
        };
        Ok(Added::Created(success(item, "Cart item added")))
    }
}

/// Logs one line for each request, as the service does.
async fn log<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let result = next.call(request).await.map(IntoResponse::into_response);
    let response = result.unwrap_or_else(|error| error.into_response());
    let (status, microseconds) = (response.status().as_u16(), started.elapsed().as_micros());
    tracing::info!(%method, path, status, microseconds, "request");
    Ok(response)
}

/// Disables Nagle's algorithm, as the service does; poem's own listener does not.
struct NoDelay(TcpAcceptor);

impl Acceptor for NoDelay {
    type Io = TcpStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.0.local_addr()
    }

    async fn accept(&mut self) -> std::io::Result<(TcpStream, LocalAddr, RemoteAddr, Scheme)> {
        let accepted = self.0.accept().await?;
        accepted.0.set_nodelay(true)?;
        Ok(accepted)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let mut config = ManagerConfig::default();
    if env::var("RECYCLING").is_ok_and(|method| method == "fast") {
        config.recycling_method = RecyclingMethod::Fast;
    }
    let url = env::var("DATABASE_URL")?;
    let manager = AsyncDieselConnectionManager::new_with_config(url, config);
    let pool = Pool::builder(manager).max_size(POOL_SIZE).build()?;
    let service = OpenApiService::new(Shop { pool }, "Reference", "0");
    let port: u16 = env::var("SERVER_PORT")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let acceptor = NoDelay(TcpAcceptor::from_tokio(listener)?);
    let app = Route::new().nest("/", service).around(log);
    Server::new_with_acceptor(acceptor).run(app).await?;
    Ok(())
}
