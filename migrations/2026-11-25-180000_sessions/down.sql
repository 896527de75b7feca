-- Drops the tables that up.sql created, which logs everybody out, and no other: those whose comment says
-- so.

SET @auth_sessions = (
    SELECT IF(COUNT(*) > 0, 'DROP TABLE auth_sessions', 'DO 0')
    FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = 'auth_sessions'
      AND table_comment = 'created by ecommerce-api');
PREPARE auth_sessions FROM @auth_sessions;
EXECUTE auth_sessions;
DEALLOCATE PREPARE auth_sessions;

SET @auth_refresh_tokens = (
    SELECT IF(COUNT(*) > 0, 'DROP TABLE auth_refresh_tokens', 'DO 0')
    FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = 'auth_refresh_tokens'
      AND table_comment = 'created by ecommerce-api');
PREPARE auth_refresh_tokens FROM @auth_refresh_tokens;
EXECUTE auth_refresh_tokens;
DEALLOCATE PREPARE auth_refresh_tokens;

SET @auth_ended_sessions = (
    SELECT IF(COUNT(*) > 0, 'DROP TABLE auth_ended_sessions', 'DO 0')
    FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = 'auth_ended_sessions'
      AND table_comment = 'created by ecommerce-api');
PREPARE auth_ended_sessions FROM @auth_ended_sessions;
EXECUTE auth_ended_sessions;
DEALLOCATE PREPARE auth_ended_sessions;
