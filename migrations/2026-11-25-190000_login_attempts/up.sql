-- The attempts to log in of the last 15 minutes, and for 30 days the networks that a user logged in from.
-- Account and network are hashes; the network is NULL for clients without limits. Times are in UTC.

CREATE TABLE IF NOT EXISTS auth_login_attempts (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    account BINARY(32) NOT NULL,
    network BINARY(32) NULL,
    has_succeeded BOOLEAN NOT NULL,
    expires_at DATETIME NOT NULL,
    PRIMARY KEY (id),
    INDEX auth_login_attempts_account (account),
    INDEX auth_login_attempts_network (network),
    INDEX auth_login_attempts_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci
  COMMENT = 'created by ecommerce-api';
