-- Drops the tables that up.sql created, children first, and no other: those whose comment says so.
-- Rows go with them; `ecommerce-api migrate revert` refuses that unless it is told to.

SET @drop_cart = (
    SELECT IF(COUNT(*) = 1, 'DROP TABLE cart', 'DO 0') FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = 'cart'
      AND table_comment = 'created by ecommerce-api');
PREPARE drop_cart FROM @drop_cart;
EXECUTE drop_cart;
DEALLOCATE PREPARE drop_cart;

SET @drop_products = (
    SELECT IF(COUNT(*) = 1, 'DROP TABLE products', 'DO 0') FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = 'products'
      AND table_comment = 'created by ecommerce-api');
PREPARE drop_products FROM @drop_products;
EXECUTE drop_products;
DEALLOCATE PREPARE drop_products;

SET @drop_users = (
    SELECT IF(COUNT(*) = 1, 'DROP TABLE users', 'DO 0') FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = 'users'
      AND table_comment = 'created by ecommerce-api');
PREPARE drop_users FROM @drop_users;
EXECUTE drop_users;
DEALLOCATE PREPARE drop_users;
