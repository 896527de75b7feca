-- The sessions of users who have logged in, and the refresh tokens that prolong them. A session ends when
-- its row is deleted; `auth_ended_sessions` then has its id for as long as access tokens of it may
-- be valid. Of a refresh token there is only a hash. `successor` is the token that a used one was exchanged
-- for. Times are in UTC.

CREATE TABLE IF NOT EXISTS auth_sessions (
    id BIGINT UNSIGNED NOT NULL,
    user_id INT NOT NULL,
    expires_at DATETIME NOT NULL,
    PRIMARY KEY (id),
    INDEX auth_sessions_user (user_id),
    INDEX auth_sessions_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci
  COMMENT = 'created by ecommerce-api';

CREATE TABLE IF NOT EXISTS auth_refresh_tokens (
    hash BINARY(32) NOT NULL,
    session_id BIGINT UNSIGNED NOT NULL,
    used_at DATETIME NULL,
    successor BINARY(32) NULL,
    expires_at DATETIME NOT NULL,
    PRIMARY KEY (hash),
    INDEX auth_refresh_tokens_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci
  COMMENT = 'created by ecommerce-api';

CREATE TABLE IF NOT EXISTS auth_ended_sessions (
    session_id BIGINT UNSIGNED NOT NULL,
    ended_at DATETIME NOT NULL,
    PRIMARY KEY (session_id),
    INDEX auth_ended_sessions_ended_at (ended_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_520_ci
  COMMENT = 'created by ecommerce-api';
