-- Drops the table that up.sql created, with the responses in it: without the table, requests with an
-- Idempotency-Key are refused. A table that existed before, which lacks the comment, stays.

SET @idempotency_keys = (
    SELECT IF(COUNT(*) > 0, 'DROP TABLE idempotency_keys', 'DO 0')
    FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = 'idempotency_keys'
      AND table_comment = 'created by ecommerce-api');
PREPARE idempotency_keys FROM @idempotency_keys;
EXECUTE idempotency_keys;
DEALLOCATE PREPARE idempotency_keys;
