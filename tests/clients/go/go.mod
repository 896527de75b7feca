module example.com/shop/walk

// What the generated client says; Debian's Go 1.19 builds both all the same.
go 1.23

require example.com/shop/ecommerce v0.0.0

replace example.com/shop/ecommerce => ../../../target/clients/go
