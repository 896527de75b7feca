-- The responses to requests with an Idempotency-Key, each kept for a day. The id is a hash of the caller,
-- the operation and the key. The fingerprint is a hash of the request's body without its password;
-- the Argon2id hash of the password is beside it. Times are in UTC.

CREATE TABLE IF NOT EXISTS idempotency_keys (
    id BINARY(32) NOT NULL,
    fingerprint BINARY(32) NOT NULL,
    password VARCHAR(255) NULL,
    location VARCHAR(255) NOT NULL,
    etag VARCHAR(255) NOT NULL,
    body MEDIUMBLOB NOT NULL,
    expires_at DATETIME NOT NULL,
    PRIMARY KEY (id),
    INDEX idempotency_keys_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci
  COMMENT = 'created by ecommerce-api';
