-- Drops the indexes that up.sql created, and no other: those whose comment says so.

SET @products_title = (
    SELECT IF(COUNT(*) > 0, 'ALTER TABLE products DROP INDEX products_title', 'DO 0')
    FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'products' AND index_name = 'products_title'
      AND index_comment = 'created by ecommerce-api');
PREPARE products_title FROM @products_title;
EXECUTE products_title;
DEALLOCATE PREPARE products_title;

SET @users_role = (
    SELECT IF(COUNT(*) > 0, 'ALTER TABLE users DROP INDEX users_role', 'DO 0')
    FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'users' AND index_name = 'users_role'
      AND index_comment = 'created by ecommerce-api');
PREPARE users_role FROM @users_role;
EXECUTE users_role;
DEALLOCATE PREPARE users_role;

SET @users_role_email = (
    SELECT IF(COUNT(*) > 0, 'ALTER TABLE users DROP INDEX users_role_email', 'DO 0')
    FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'users' AND index_name = 'users_role_email'
      AND index_comment = 'created by ecommerce-api');
PREPARE users_role_email FROM @users_role_email;
EXECUTE users_role_email;
DEALLOCATE PREPARE users_role_email;
