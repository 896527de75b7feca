-- The shop's three tables. Each one that exists already stays as it is (`check` tells whether it
-- serves); each one created here says so in its comment, and down.sql drops no other.
-- Every statement may be repeated, so a run that was interrupted can simply be run again.
--
-- utf8mb4_unicode_520_ci: the newest collation that MySQL 8 and MariaDB 10.6 share; unlike
-- utf8mb4_unicode_ci it tells one emoji from another.

CREATE TABLE IF NOT EXISTS users (
    id INT NOT NULL AUTO_INCREMENT,
    email VARCHAR(255) NOT NULL,
    password VARCHAR(255) NOT NULL,
    role ENUM('ADMIN', 'USER') NOT NULL DEFAULT 'USER',
    PRIMARY KEY (id),
    UNIQUE INDEX users_email (email)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci
  COMMENT = 'created by ecommerce-api';

CREATE TABLE IF NOT EXISTS products (
    id INT NOT NULL AUTO_INCREMENT,
    title VARCHAR(255) NOT NULL,
    image_url VARCHAR(500) NULL,
    description TEXT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci
  COMMENT = 'created by ecommerce-api';

-- A foreign key has its parent's exact type, and an existing shop's ids may be BIGINT or UNSIGNED.
SET @user_id_type = (
    SELECT column_type FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'users' AND column_name = 'id');
SET @product_id_type = (
    SELECT column_type FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'products' AND column_name = 'id');
-- Each index has all that there is to a cart item, in the order of lists: a cart is read from it alone.
SET @create_cart = CONCAT(
    'CREATE TABLE IF NOT EXISTS cart (',
    '    id INT NOT NULL AUTO_INCREMENT,',
    '    user_id ', COALESCE(@user_id_type, 'INT'), ' NOT NULL,',
    '    product_id ', COALESCE(@product_id_type, 'INT'), ' NOT NULL,',
    '    PRIMARY KEY (id),',
    '    INDEX cart_user (user_id, id, product_id),',
    '    INDEX cart_product (product_id, id, user_id),',
    '    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,',
    '    FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE CASCADE',
    ') ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci',
    '  COMMENT = ''created by ecommerce-api''');
PREPARE create_cart FROM @create_cart;
EXECUTE create_cart;
DEALLOCATE PREPARE create_cart;
