-- Indexes for searching and sorting: products by title, users of one role by id or email. An index is
-- added only where its name is free and the columns fit into one: 3072 bytes, or 767 in tables with the
-- old row formats; that on titles also only where no other serves. Where a title does not fit,
-- searching and sorting by it is refused, and `check` says so. Every statement may be repeated.

SET @products_title = (
    SELECT IF(
        COUNT(*) = 1
        AND MAX(c.character_octet_length) <= IF(MAX(t.row_format) IN ('Dynamic', 'Compressed'), 3072, 767)
        AND NOT EXISTS (
            SELECT 1 FROM information_schema.statistics s
            WHERE s.table_schema = DATABASE() AND s.table_name = 'products'
              AND (s.index_name = 'products_title'
                   OR (s.column_name = 'title' AND s.seq_in_index = 1 AND s.sub_part IS NULL
                       AND s.index_type = 'BTREE'
                       AND NOT EXISTS (
                           SELECT 1 FROM information_schema.statistics n
                           WHERE n.table_schema = s.table_schema AND n.table_name = s.table_name
                             AND n.index_name = s.index_name AND n.seq_in_index = 2
                             AND n.column_name <> 'id')))),
        'ALTER TABLE products ADD INDEX products_title (title) COMMENT ''created by ecommerce-api''',
        'DO 0')
    FROM information_schema.columns c
    JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
    WHERE c.table_schema = DATABASE() AND c.table_name = 'products' AND c.column_name = 'title'
      AND c.data_type IN ('char', 'varchar'));
PREPARE products_title FROM @products_title;
EXECUTE products_title;
DEALLOCATE PREPARE products_title;

SET @users_role = (
    SELECT IF(
        COUNT(*) = 1
        AND NOT EXISTS (
            SELECT 1 FROM information_schema.statistics s
            WHERE s.table_schema = DATABASE() AND s.table_name = 'users' AND s.index_name = 'users_role'),
        'ALTER TABLE users ADD INDEX users_role (role, id) COMMENT ''created by ecommerce-api''',
        'DO 0')
    FROM information_schema.columns c
    JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
    WHERE c.table_schema = DATABASE() AND c.table_name = 'users' AND c.column_name = 'role'
      AND c.data_type = 'enum' AND t.table_type = 'BASE TABLE');
PREPARE users_role FROM @users_role;
EXECUTE users_role;
DEALLOCATE PREPARE users_role;

SET @users_role_email = (
    SELECT IF(
        COUNT(*) = 1
        AND MAX(c.character_octet_length) + 2 <= IF(MAX(t.row_format) IN ('Dynamic', 'Compressed'), 3072, 767)
        AND NOT EXISTS (
            SELECT 1 FROM information_schema.statistics s
            WHERE s.table_schema = DATABASE() AND s.table_name = 'users' AND s.index_name = 'users_role_email'),
        'ALTER TABLE users ADD INDEX users_role_email (role, email) COMMENT ''created by ecommerce-api''',
        'DO 0')
    FROM information_schema.columns c
    JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
    WHERE c.table_schema = DATABASE() AND c.table_name = 'users' AND c.column_name = 'email'
      AND c.data_type IN ('char', 'varchar'));
PREPARE users_role_email FROM @users_role_email;
EXECUTE users_role_email;
DEALLOCATE PREPARE users_role_email;
