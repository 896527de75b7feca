-- Drops the table that up.sql created: without it, nobody can log in. A table that existed before, which
-- lacks the comment, stays.

SET @auth_login_attempts = (
    SELECT IF(COUNT(*) > 0, 'DROP TABLE auth_login_attempts', 'DO 0')
    FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = 'auth_login_attempts'
      AND table_comment = 'created by ecommerce-api');
PREPARE auth_login_attempts FROM @auth_login_attempts;
EXECUTE auth_login_attempts;
DEALLOCATE PREPARE auth_login_attempts;
