-- What the cluster needs once, before the first replica starts. `deploy/render` replaces the names between
-- @ signs.
CREATE DATABASE shop;
CREATE USER shop IDENTIFIED BY '@PASSWORD@';
GRANT ALL ON shop.* TO shop;
-- HAProxy's check logs in without a password. It may read the server's status and nothing else.
CREATE USER health WITH MAX_USER_CONNECTIONS 20;
